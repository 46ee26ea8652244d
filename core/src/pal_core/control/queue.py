"""The oracle queue: samples that wait for a label, and those being labelled."""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush

__all__ = ["HIGHEST", "OracleQueue", "Ticket"]

HIGHEST = math.nextafter(math.inf, 0.0)
"""Score of samples of which nothing is known: dropped after all others, but not exempt from the bounds."""


@dataclass(slots=True)
class Ticket:
    """A sample that waits or is being labelled.

    Parameters
    ----------
    sample : int
        Number of the sample in the store.
    walker : int
        Walker that proposed it, -1 if none did.
    score : float
        Uncertainty; infinite for samples that must not be dropped. NaN becomes `HIGHEST`.
    attempts : int
        Attempts that have failed.
    tried : set of str
        Oracles that have failed on it.
    size : int
        What the duration of its label depends on (atoms).
    audit : bool
        Whether its label is never trained on.
    """

    sample: int
    walker: int = -1
    score: float = math.inf
    attempts: int = 0
    tried: set[str] = field(default_factory=set)
    size: int = 1
    audit: bool = False

    def __post_init__(self) -> None:
        if math.isnan(self.score):
            self.score = HIGHEST


class _Least:
    """Finds the waiting ticket with the lowest score, of equals the oldest, without looking at all of them.

    Tickets that have left the queue stay in the heap until they come to its top, or are the greater part of it.
    """

    def __init__(self, waiting: Mapping[int, Ticket]) -> None:
        self._waiting = waiting
        self._heap: list[tuple[float, int]] = []

    def add(self, ticket: Ticket) -> None:
        if ticket.score == math.inf:
            return
        heappush(self._heap, (ticket.score, ticket.sample))
        if len(self._heap) > 2 * len(self._waiting) + 16:
            self._heap = [entry for entry in set(self._heap) if entry[1] in self._waiting]
            heapify(self._heap)

    def take(self) -> int | None:
        """Number of the least one of those that wait, if any may be dropped."""
        while self._heap:
            sample = heappop(self._heap)[1]
            ticket = self._waiting.get(sample)
            if ticket is not None and ticket.score < math.inf:
                return sample
        return None


class OracleQueue:
    """First come, first served, with a bound and an optional bound per walker.

    Over a bound the sample with the lowest score goes, be it the newcomer; samples with infinite score never do.

    Parameters
    ----------
    bound : int
        Samples that may wait.
    per_walker : int or None
        Samples of one walker that may wait.
    oracles : int or None
        How many there are: a sample on which all have failed is as good as any other, None if they aren't counted.
    """

    def __init__(self, bound: int, per_walker: int | None = None, oracles: int | None = None) -> None:
        self.bound = bound
        self.per_walker = per_walker
        self.oracles = oracles
        self.waiting: OrderedDict[int, Ticket] = OrderedDict()
        self.flying: dict[str, Ticket] = {}
        self._sizes: Counter[int] = Counter()
        self._held: Counter[int] = Counter()
        self._least = _Least(self.waiting)
        self._least_of: dict[int, _Least] = {}

    def __len__(self) -> int:
        return len(self.waiting)

    def append(self, ticket: Ticket) -> None:
        """Add a sample at the end, whatever the bounds."""
        self.waiting[ticket.sample] = ticket
        self._sizes[ticket.size] += 1
        self._held[ticket.walker] += 1
        self._least.add(ticket)
        if self.per_walker is not None:
            self._least_of.setdefault(ticket.walker, _Least(self.waiting)).add(ticket)

    def put(self, ticket: Ticket, *, expendable: bool = False) -> int | None:
        """Add a sample; returns the number of the one dropped for it, if any.

        Whatever its score, an `expendable` one goes itself if a bound is exceeded and no other may be dropped.
        """
        self.append(ticket)
        dropped = None
        if self.per_walker is not None and ticket.walker >= 0 and self._held[ticket.walker] > self.per_walker:
            dropped = self._least_of[ticket.walker].take()
            if dropped is None and expendable:
                dropped = ticket.sample
        if dropped is None and len(self.waiting) > self.bound:
            dropped = self._least.take()
            if dropped is None and expendable:
                dropped = ticket.sample
        if dropped is not None:
            self._remove(dropped)
        return dropped

    def want(self, sample: int) -> None:
        """From now on a sample must not be dropped, if it waits or is being labelled."""
        for ticket in (self.waiting.get(sample), *self.flying.values()):
            if ticket is not None and ticket.sample == sample:
                ticket.score = math.inf

    def _remove(self, sample: int) -> Ticket:
        ticket = self.waiting.pop(sample)
        for counter, key in ((self._sizes, ticket.size), (self._held, ticket.walker)):
            counter[key] -= 1
            if not counter[key]:
                del counter[key]
        return ticket

    def take(self, oracle: str, fits: Callable[[int], bool] = lambda _: True) -> Ticket | None:
        """Hand the next sample of a size that fits to an idle oracle; one that it has failed on if there is no other.

        Returns None if nothing that fits waits.
        """
        fitting = {size for size in self._sizes if fits(size)}
        if not fitting:
            return None
        waiting = (t for t in self.waiting.values() if t.size in fitting)
        second = None
        for ticket in waiting:
            if not self._avoids(ticket, oracle):
                break
            second = second or ticket
        else:
            assert second is not None  # noqa: S101 - a fitting size waits
            ticket = second
        self.flying[oracle] = self._remove(ticket.sample)
        return ticket

    def _avoids(self, ticket: Ticket, oracle: str) -> bool:
        """Whether another oracle should have this sample: the one given has failed on it, and others haven't."""
        return oracle in ticket.tried and (self.oracles is None or len(ticket.tried) < self.oracles)

    def land(self, oracle: str, sample: int, attempt: int | None = None) -> Ticket | None:
        """The oracle has answered for `sample`; None if it wasn't working on it, or on another attempt at it."""
        ticket = self.flying.get(oracle)
        if ticket is None or ticket.sample != sample or attempt not in (None, ticket.attempts + 1):
            return None
        return self.flying.pop(oracle)

    def put_back(self, ticket: Ticket) -> None:
        """Return a sample to the head of the queue, whatever the bounds."""
        self.append(ticket)
        self.waiting.move_to_end(ticket.sample, last=False)

    def reorder(self, kept: Iterable[int], asked: Iterable[int]) -> list[int]:
        """Apply a ranking to those of the asked samples that still wait; newer ones follow in their order.

        Returns
        -------
        list of int
            Samples dropped: asked for, still waiting, not kept. Those with infinite score stay, last.
        """
        asked = set(asked)
        order = dict.fromkeys(s for s in kept if s in asked and s in self.waiting)
        out = [s for s in self.waiting if s in asked and s not in order]
        safe = [s for s in out if self.waiting[s].score == math.inf]
        newer = [s for s in self.waiting if s not in asked]
        dropped = [s for s in out if self.waiting[s].score < math.inf]
        for sample in dropped:
            self._remove(sample)
        for sample in [*order, *safe, *newer]:
            self.waiting.move_to_end(sample)
        return dropped
