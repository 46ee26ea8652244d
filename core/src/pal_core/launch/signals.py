"""Signals that ask `pal run` to stop."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["ASKING", "AT_ONCE", "Wishes", "heeding"]

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP)
"""What ends a run in order, to be resumed: Ctrl-C, batch systems' ways to announce an end, a terminal that closes."""
AT_ONCE = "stopped at once, as asked"
"""The reason for the end of a run that was not given the time to end in order."""
_URGENT = (signal.SIGINT, signal.SIGTERM)


class Wishes:
    """Signals that have come.

    The first one asks to end in order. A second one ends at once if it is SIGINT or SIGTERM: of the others batch
    systems and terminals send several, and mean no more by that.
    """

    def __init__(self) -> None:
        self.first: signal.Signals | None = None
        self.at_once = False

    def add(self, number: int) -> None:
        """Note a signal."""
        if self.first is None:
            self.first = signal.Signals(number)
        elif number in _URGENT:
            self.at_once = True

    def __bool__(self) -> bool:
        return self.first is not None

    @property
    def words(self) -> str:
        """For the end of the run."""
        return "" if self.first is None else f"signal {self.first.name}"


@contextmanager
def heeding(wishes: Wishes, tell: Callable[[], None]) -> Iterator[None]:
    """Collect signals, and call `tell` after each."""

    def hear(number: int, frame: object) -> None:
        wishes.add(number)
        tell()

    before = {n: signal.signal(n, hear) for n in ASKING}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
