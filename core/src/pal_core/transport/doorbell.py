"""Wakes sleeping ranks of the same node: a datagram beside the MPI message.

Waiting inside MPI burns a core per rank, and polling alone costs a pause per message. A sleeping rank waits in
`select` on its own socket instead, and whoever sends it a message rings. A lost ring costs one pause, never a message.
"""

from __future__ import annotations

import contextlib
import select
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

__all__ = ["Doorbell"]


class Doorbell:
    """The bell of one rank.

    Parameters
    ----------
    token : str
        Name of the run, the same on all ranks; part of the sockets' names.
    rank : int
    neighbours : iterable of int
        Ranks on this node.
    """

    def __init__(self, token: str, rank: int, neighbours: Iterable[int]) -> None:
        self._folder = Path(tempfile.gettempdir())
        self._token = token
        self._path = self._name(rank)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._path.unlink(missing_ok=True)
        self._socket.bind(str(self._path))
        self._neighbours = {r: str(self._name(r)) for r in neighbours if r != rank}

    def _name(self, rank: int) -> Path:
        return self._folder / f"pal-{self._token}-{rank}"

    def ring(self, rank: int) -> None:
        """Wake a rank, if it is on this node. A full or missing bell needs no ring."""
        name = self._neighbours.get(rank)
        if name is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(b"!", name)

    def covers(self, ranks: int) -> bool:
        """Whether all of so many ranks are on this node, so that everyone who sends can ring."""
        return len(self._neighbours) == ranks - 1

    def wait(self, seconds: float, files: Iterable[int]) -> tuple[bool, bool]:
        """Sleep until rung, until a file descriptor is readable, or time is up; whether rung, and whether woken."""
        bell = self._socket.fileno()
        readable, _, _ = select.select([bell, *files], [], [], seconds)
        if bell not in readable:
            return False, bool(readable)
        with contextlib.suppress(BlockingIOError):
            while self._socket.recv(64):
                pass
        return True, True

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
