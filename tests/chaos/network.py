"""An in-memory network in virtual time: links keep their order, but what is sent may come late, twice or never."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any, Protocol

from clock import HOUR, Clock

__all__ = ["Address", "Network"]


class Address(Protocol):
    """Somebody who hears: a host, or one of the two shells."""

    name: str
    life: int
    """Counts the ranks that have been this host."""

    def hears(self, sender: str, life: int) -> bool:
        """Whether it listens to this life of a sender."""


class Network:
    """Carries calls.

    Parameters
    ----------
    clock : Clock
    rng : random.Random
    late, doubled : float
        Share of messages that take minutes, or come a second time.
    faults : collections.Counter
        Where such messages are counted.
    """

    def __init__(self, clock: Clock, rng: Random, late: float, doubled: float, faults: Counter[str]) -> None:
        self.clock = clock
        self.rng = rng
        self.late = late
        self.doubled = doubled
        self.faults = faults
        self.hosts: dict[str, Address] = {}
        """Who lives now, by name."""
        self._last: dict[tuple[str, str], float] = {}

    def send(self, sender: Address, to: str, what: str, *rest: Any, life: int = 0, twice: bool = False) -> None:
        """Call method `what` of this life of a host, some time later, after all that was sent before.

        With `twice` it may come once more, much later.
        """
        random = self.rng.random
        delay = 0.02 + 0.1 * random()
        if random() < self.late:
            self.faults["late message"] += 1
            delay += 120.0 * random()
        link = (sender.name, to)
        time = max(self.clock.now + delay, self._last.get(link, 0.0))
        self._last[link] = time
        self.clock.at(time, self._deliver, sender.name, sender.life, to, life, what, rest)
        if twice and random() < self.doubled:
            self.faults["doubled message"] += 1
            again = time + 2 * HOUR * random() ** 3
            self.clock.at(again, self._deliver, sender.name, sender.life, to, life, what, rest)

    def _deliver(self, sender: str, from_life: int, to: str, life: int, what: str, rest: tuple[Any, ...]) -> None:
        host = self.hosts.get(to)
        if host is None or host.life != life or not host.hears(sender, from_life):
            return
        method: Callable[..., None] = getattr(host, what)
        method(sender, *rest)
