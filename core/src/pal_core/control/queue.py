"""The oracle queue: samples that wait for a label, and those being labelled."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

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
    """

    sample: int
    walker: int = -1
    score: float = math.inf
    attempts: int = 0
    tried: set[str] = field(default_factory=set)
    size: int = 1

    def __post_init__(self) -> None:
        if math.isnan(self.score):
            self.score = HIGHEST


@dataclass
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

    bound: int
    per_walker: int | None = None
    waiting: dict[int, Ticket] = field(default_factory=dict)
    flying: dict[str, Ticket] = field(default_factory=dict)
    oracles: int | None = None

    def __len__(self) -> int:
        return len(self.waiting)

    def put(self, ticket: Ticket) -> int | None:
        """Add a sample; returns the number of the one dropped for it, if any."""
        self.waiting[ticket.sample] = ticket
        if self.per_walker is not None and ticket.walker >= 0:
            same = [t for t in self.waiting.values() if t.walker == ticket.walker]
            dropped = self._drop_least(same) if len(same) > self.per_walker else None
            if dropped is not None:
                return dropped
        if len(self.waiting) > self.bound:
            return self._drop_least(self.waiting.values())
        return None

    def _drop_least(self, tickets: Iterable[Ticket]) -> int | None:
        droppable = [t for t in tickets if t.score < math.inf]
        if not droppable:
            return None
        least = min(droppable, key=lambda t: t.score)
        del self.waiting[least.sample]
        return least.sample

    def take(self, oracle: str, fits: Callable[[Ticket], bool] = lambda _: True) -> Ticket | None:
        """Hand the next sample that fits to an idle oracle; one that it has failed on only if there is no other.

        Returns None if nothing that fits waits.
        """
        waiting = self.waiting.values()
        chosen = next((t for t in waiting if not self._avoids(t, oracle) and fits(t)), None)
        ticket = chosen or next((t for t in waiting if fits(t)), None)
        if ticket is None:
            return None
        del self.waiting[ticket.sample]
        self.flying[oracle] = ticket
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
        self.waiting = {ticket.sample: ticket, **self.waiting}

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
        self.waiting = {s: self.waiting[s] for s in [*order, *safe, *newer]}
        return [s for s in out if s not in safe]
