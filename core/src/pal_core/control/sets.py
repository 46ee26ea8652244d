"""Snapshot sets: states of all hosts that belong together, counted only when every one is on disk."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Sets"]


class Sets:
    """Book-keeping of the set that is being written.

    Parameters
    ----------
    hosts : iterable of str
        Hosts that have a state to write.
    every : float
        Seconds between the end of one set and the beginning of the next.
    last : int
        Number of the newest set of earlier parts of the run; numbers go on from there.
    """

    def __init__(self, hosts: Iterable[str], every: float, last: int = 0) -> None:
        self.hosts = frozenset(hosts)
        self.every = every
        self.number = last
        self._missing: set[str] | None = None
        self._began = self._ended = 0.0

    @property
    def open(self) -> bool:
        """Whether a set is being written."""
        return self._missing is not None

    def due(self, now: float) -> bool:
        """Whether it is time for the next one."""
        return not self.open and now - self._ended >= self.every

    def overdue(self, now: float, limit: float) -> bool:
        """Whether a set that is being written takes longer than the limit, in seconds."""
        return self.open and now - self._began > limit

    def begin(self, now: float) -> int:
        """Begin a set, whatever became of the one before; returns its number."""
        self.number += 1
        self._began = now
        self._missing = set(self.hosts)
        return self.number

    def saved(self, host: str, number: int, now: float) -> bool:
        """A host's part is on disk; True if that completes the set."""
        if self._missing is None or number != self.number:
            return False
        self._missing.discard(host)
        if self._missing:
            return False
        self.abandon(now)
        return True

    def abandon(self, now: float) -> None:
        """Wait no longer for this set: a host is lost, or couldn't write."""
        self._missing = None
        self._ended = now
