"""Virtual time: a heap of what will happen. Nothing sleeps, nothing runs at the same time."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heappop, heappush
from typing import Any

__all__ = ["HOUR", "Clock"]

HOUR = 3600.0


class Clock:
    """Calls functions at their time, those of the same time in the order in which they were asked for."""

    def __init__(self) -> None:
        self.now = 0.0
        self.events = 0
        """How many calls there were."""
        self._heap: list[tuple[float, int, Callable[..., None], tuple[Any, ...]]] = []
        self._count = 0

    def at(self, time: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call something at a time."""
        self._count += 1
        heappush(self._heap, (time, self._count, call, arguments))

    def after(self, seconds: float, call: Callable[..., None], *arguments: Any) -> None:
        """Call something after some time."""
        self.at(self.now + seconds, call, *arguments)

    def forget(self) -> None:
        """Nothing of what was asked for will happen: the power is off."""
        self._heap.clear()

    def step(self) -> bool:
        """Let the next thing happen; False if nothing will."""
        if not self._heap:
            return False
        self.now, _, call, arguments = heappop(self._heap)
        self.events += 1
        call(*arguments)
        return True
