"""What the exchange machine writes down: chunks that wait, batches on their way, and groups of prediction hosts."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass

from pal_core.control.exchange_vocabulary import Chunk

__all__ = ["Flight", "Groups", "Waiting"]

_FEWEST = 2
"""Members that a standard deviation takes."""


@dataclass
class Flight:
    """A batch on its way."""

    group: int
    missing: set[str]
    chunks: tuple[Chunk, ...] = ()
    request: int | None = None
    judging: bool = False


class Waiting:
    """Chunks that wait for a group.

    Parameters
    ----------
    hosts : iterable of str
        Generator hosts.
    ordered : bool
        Whether chunks leave in the order of their hosts, not as they came: nothing then depends on who was faster.
    """

    def __init__(self, hosts: Iterable[str], *, ordered: bool) -> None:
        self._ordered = ordered
        self._places = {host: k for k, host in enumerate(hosts)}
        self._chunks: list[Chunk] = []
        self.walkers = 0

    def __bool__(self) -> bool:
        return bool(self._chunks)

    def add(self, chunk: Chunk) -> None:
        """One more."""
        self._chunks.append(chunk)
        self.walkers += chunk.walkers

    def take(self) -> tuple[Chunk, ...]:
        """All of them; none waits any more."""
        chunks, self._chunks, self.walkers = self._chunks, [], 0
        return tuple(sorted(chunks, key=lambda c: (self._places[c.host], c.seq)) if self._ordered else chunks)

    def drop(self, host: str) -> list[Chunk]:
        """Forget what a host has proposed, and say what that was."""
        gone = [c for c in self._chunks if c.host == host]
        self._chunks = [c for c in self._chunks if c.host != host]
        self.walkers -= sum(c.walkers for c in gone)
        return gone


class Groups:
    """Replicas of the committee: which are free, and whom a batch can be sent to.

    Parameters
    ----------
    groups : iterable of iterable of str
    members : mapping of str to int
        Members on each host; one each, where left out.
    lost : set of str
        Hosts that aren't there; the machine keeps this set.
    """

    def __init__(self, groups: Iterable[Iterable[str]], members: Mapping[str, int], lost: Set[str]) -> None:
        self.groups = tuple(tuple(g) for g in groups)
        self._members = members
        self._lost = lost
        self._idle = deque(range(len(self.groups)))
        self._places = {host: i for i, hosts in enumerate(self.groups) for host in hosts}

    def __contains__(self, host: object) -> bool:
        return host in self._places

    def of(self, host: str) -> int:
        """The group that a host belongs to."""
        return self._places[host]

    def present(self, group: int) -> set[str]:
        """Hosts of a group to be asked: none if those left hold too few members to disagree."""
        hosts = self.groups[group]
        left = {h for h in hosts if h not in self._lost}
        enough = len(left) == len(hosts) or sum(self._members.get(h, 1) for h in left) >= _FEWEST
        return left if enough else set()

    @property
    def any_free(self) -> bool:
        """Whether a group has nothing to do."""
        return bool(self._idle)

    def take(self) -> int:
        """The group that has been free for longest; it is so no more."""
        return self._idle.popleft()

    def free(self, group: int) -> None:
        """A group has no batch any more; it gets another one if enough of its hosts are there."""
        if self.present(group) and group not in self._idle:
            self._idle.append(group)

    def rest(self, group: int) -> None:
        """A group gets no batch until it is `free` again."""
        if group in self._idle:
            self._idle.remove(group)
