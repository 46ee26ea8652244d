"""Wakes sleeping ranks of the same node: a datagram beside the MPI message.

Waiting inside MPI burns a core per rank, and polling alone costs a pause per message. A sleeping rank waits in
`select` on its own socket instead, and whoever sends it a message rings. A lost ring costs one pause, never a message.
"""

from __future__ import annotations

import contextlib
import socket
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path

from pal_core.transport.base import readable

__all__ = ["Doorbell"]

_MANY = 1024
"""Rings taken in at once. On Linux anybody on this computer may ring, and go on for ever; what comes is not read."""


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
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._name = _name(token, rank)
        self._socket.bind(self._name)
        self._neighbours = {r: _name(token, r) for r in neighbours if r != rank}

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
        found = readable([bell, *files], seconds)
        if bell not in found:
            return False, bool(found)
        with contextlib.suppress(BlockingIOError):
            for _ in range(_MANY):
                self._socket.recv(64)
        return True, True

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        if not self._name.startswith("\0"):
            Path(self._name).unlink(missing_ok=True)


def _name(token: str, rank: int) -> str:
    """Linux knows names outside the file system: nothing stays behind a rank that is killed, however long TMPDIR is."""
    name = f"pal-{token}-{rank}"
    return f"\0{name}" if sys.platform == "linux" else str(Path(tempfile.gettempdir()) / name)
