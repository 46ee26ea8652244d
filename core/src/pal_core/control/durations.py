"""How long labels take, as measured: decides what can still end before a deadline."""

from __future__ import annotations

from collections import deque

__all__ = ["Durations"]

_RECENT = 20
"""Labels of each size that are remembered."""
_STEEPEST = 3.0
"""Exponent by which time is taken to grow with size from the nearest smaller size measured (DFT's formal scaling)."""


class Durations:
    """Measured times of labels by the size of their samples (atoms; 1 where samples have no such dimension)."""

    def __init__(self) -> None:
        self._measured: dict[int, deque[float]] = {}

    def add(self, size: int, seconds: float) -> None:
        """Remember how long a label took."""
        self._measured.setdefault(size, deque(maxlen=_RECENT)).append(seconds)

    def estimate(self, size: int) -> float | None:
        """Seconds that a label of this size takes at most, by what was measured; None before anything was.

        The longest of the recent ones of this size. Of another size: the longest of the next smaller one, scaled up,
        or of the next larger one as it is.
        """
        if size in self._measured:
            return max(self._measured[size])
        smaller = max((s for s in self._measured if s < size), default=None)
        larger = min((s for s in self._measured if s > size), default=None)
        guesses = []
        if smaller is not None:
            guesses.append(max(self._measured[smaller]) * (size / max(smaller, 1)) ** _STEEPEST)
        if larger is not None:
            guesses.append(max(self._measured[larger]))
        return min(guesses, default=None)
