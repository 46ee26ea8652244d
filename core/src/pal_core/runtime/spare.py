"""An idle rank that takes the hosts of a lost one over."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from pal_core import messages as m

__all__ = ["SpareHost"]


class SpareHost:
    """Waits until it is needed, then has other hosts built on its rank.

    Parameters
    ----------
    address : str
    take_over : callable
        ``take_over(hosts, times)`` builds these hosts here and starts them.
    """

    def __init__(self, address: str, take_over: Callable[[Sequence[str], int], None]) -> None:
        self.address = address
        self.left = False
        self._take_over = take_over

    def start(self) -> None:
        """Nothing is built before it is needed."""

    def receive(self, sender: str, message: m.Message) -> None:
        """Take hosts over, or leave."""
        if isinstance(message, m.Take):
            self._take_over(message.hosts, message.times)
        elif isinstance(message, m.Leave):
            self.left = True

    def tick(self, now: float) -> None:
        """A spare has no pulse: it holds nothing that could be missed."""

    def work(self, now: float) -> bool:
        """There is none."""
        return False

    def files(self) -> list[int]:
        """Nothing but messages wakes a spare."""
        return []

    def lost(self, ranks: Sequence[int]) -> None:
        """The manager decides who takes a lost rank over."""
