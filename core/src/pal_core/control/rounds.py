"""Training rounds: labels that wait for release, and how far every training host has come."""

from __future__ import annotations

from collections.abc import Iterable

__all__ = ["Rounds"]


class Rounds:
    """Book-keeping of releases and rounds.

    Parameters
    ----------
    hosts : iterable of str
        Training hosts; without any, labels are never released.
    retrain_after : int
        Labels that make a release.
    before : int
        Rounds completed in earlier parts of the run; numbers go on from there.
    """

    def __init__(self, hosts: Iterable[str], retrain_after: int, before: int = 0) -> None:
        self.hosts = tuple(hosts)
        self.retrain_after = retrain_after
        self.before = before
        self.buffer: list[int] = []
        self.sizes: list[int] = []
        self.started = dict.fromkeys(self.hosts, before)
        self.over = dict.fromkeys(self.hosts, before)
        self.finished: set[str] = set()

    @property
    def released(self) -> int:
        """Number of the last round released."""
        return self.before + len(self.sizes)

    @property
    def completed(self) -> int:
        """Rounds that every host has ended."""
        return min(self.over.values(), default=self.before)

    @property
    def waiting_labels(self) -> int:
        """Labels that some host has not begun to train on."""
        begun = min(self.started.values(), default=self.before)
        return len(self.buffer) + sum(self.sizes[begun - self.before :])

    @property
    def due(self) -> bool:
        """Whether enough labels wait for a release."""
        return bool(self.hosts) and len(self.buffer) >= self.retrain_after

    def release(self) -> tuple[int, tuple[int, ...]]:
        """Empty the buffer into a new round: its number and its samples, ascending in whatever order they came."""
        samples, self.buffer = tuple(sorted(self.buffer)), []
        self.sizes.append(len(samples))
        return self.released, samples

    def begin(self, host: str, number: int) -> None:
        """A host trains on this round's labels."""
        self.started[host] = max(self.started[host], number)

    def end(self, host: str, number: int) -> bool:
        """A host has ended this round; True if thereby one more round is complete."""
        before = self.completed
        self.begin(host, number)
        self.over[host] = max(self.over[host], number)
        return self.completed > before
