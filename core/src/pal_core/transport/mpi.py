"""The only file that imports mpi4py: the world of ranks, and messages between them.

Importing `mpi4py.MPI` starts MPI, so this module is imported by worker processes only. In steady state everything is
point to point and nothing waits inside MPI: sends and receives are requests that are tested, never awaited.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from mpi4py import MPI

from pal_core.errors import PalError
from pal_core.messages import Message
from pal_core.transport.base import LONGEST_PAUSE, Delivery, sleep_until_readable
from pal_core.transport.doorbell import Doorbell
from pal_core.transport.wire import Wire, fresh_buffer

__all__ = ["MpiTransport", "World", "WorldError"]

_TAG = 7
_NAME_BYTES = 256
_LOOKS_AFTER_RING = 50
_PAUSE_WITHOUT_BELL = 1e-3
_PAUSE_UNDER_WAY = 2e-4
"""Seconds. A large message moves on only while both sides look at it."""


class WorldError(PalError):
    """The MPI world isn't the one that was started."""


class World:
    """All ranks of the run.

    Parameters
    ----------
    expected : int or None
        Ranks that the launcher started; another size means that mpiexec and the MPI library don't belong together.

    Raises
    ------
    WorldError
        If the size isn't the expected one.
    """

    def __init__(self, expected: int | None = None) -> None:
        self._comm = MPI.COMM_WORLD.Dup()
        self.rank: int = self._comm.rank
        self.size: int = self._comm.size
        if expected is not None and self.size != expected:
            library = MPI.Get_library_version().split("\n")[0].strip("\0 ")
            raise WorldError(
                f"{expected} ranks were started, but MPI sees a world of {self.size}: the mpiexec that started them "
                f"doesn't belong to the MPI library in use ({library})",
                "put the directory of that library's own mpiexec first in PATH, or name it: pal run --mpiexec PATH",
            )

    @property
    def comm(self) -> MPI.Comm:
        """Communicator of the run's own messages."""
        return self._comm

    def share(self, text: str | None) -> str:
        """Give rank 0's text to all ranks. All ranks call this together, at the start."""
        data = bytearray((text or "").encode())
        length = bytearray(len(data).to_bytes(8, "little"))
        self._comm.Bcast([length, MPI.BYTE], root=0)
        if self.rank:
            data = bytearray(int.from_bytes(length, "little"))
        self._comm.Bcast([data, MPI.BYTE], root=0)
        return data.decode()

    def nodes(self) -> tuple[str, ...]:
        """Node name of every rank. All ranks call this together, at the start."""
        name = MPI.Get_processor_name().encode()[:_NAME_BYTES]
        mine, everyone = bytearray(name.ljust(_NAME_BYTES, b"\0")), bytearray(_NAME_BYTES * self.size)
        self._comm.Allgather([mine, MPI.BYTE], [everyone, MPI.BYTE])
        rows = (everyone[i : i + _NAME_BYTES] for i in range(0, len(everyone), _NAME_BYTES))
        return tuple(row.rstrip(b"\0").decode() for row in rows)

    def abort(self, code: int) -> None:
        """End every rank at once, by force."""
        self._comm.Abort(code)


@dataclass(slots=True)
class _Incoming:
    """A message that is being received."""

    request: MPI.Request
    buffer: memoryview


class MpiTransport:
    """Messages over MPI, with the same promises as every transport.

    Parameters
    ----------
    world : World
    wire : Wire
    ranks : mapping of str to int
        Rank of every address.
    bell : Doorbell or None
        Wakes ranks of this node.
    """

    def __init__(self, world: World, wire: Wire, ranks: Mapping[str, int], bell: Doorbell | None = None) -> None:
        self._comm = world.comm
        self._rank = world.rank
        self._wire = wire
        self._ranks = ranks
        self._bell = bell
        self._local: deque[memoryview] = deque()
        self._sending: list[tuple[MPI.Request, memoryview]] = []
        self._incoming: dict[int, deque[_Incoming]] = {}
        self._status = MPI.Status()

    def send(self, to: str, sender: str, message: Message) -> None:
        """Start sending; the buffer is kept until MPI has done with it."""
        buffer = self._wire.encode(to, sender, message)
        rank = self._ranks[to]
        if rank == self._rank:
            self._local.append(buffer)
            return
        self._sending.append((self._comm.Isend([buffer, MPI.BYTE], dest=rank, tag=_TAG), buffer))
        if self._bell is not None:
            self._bell.ring(rank)

    def receive(self) -> list[Delivery]:
        """Whatever has arrived whole, in order per sender."""
        if self._sending:
            self._sending = [s for s in self._sending if not s[0].Test()]
        while (found := self._comm.Improbe(source=MPI.ANY_SOURCE, tag=_TAG, status=self._status)) is not None:
            buffer = fresh_buffer(self._status.Get_count(MPI.BYTE))
            queue = self._incoming.setdefault(self._status.Get_source(), deque())
            queue.append(_Incoming(found.Irecv([buffer, MPI.BYTE]), buffer))
        buffers, self._local = list(self._local), deque()
        for queue in self._incoming.values():
            while queue and queue[0].request.Test():
                buffers.append(queue.popleft().buffer)
        return [self._wire.decode(b) for b in buffers]

    def wait(self, seconds: float, files: Iterable[int] = ()) -> bool:
        """Sleep in `select`, outside MPI; after a ring look again until the message shows, for some microseconds."""
        if self._local:
            return True
        if self._bell is None:
            return sleep_until_readable(seconds, files)
        rung, woken = self._bell.wait(seconds, files)
        for _ in range(_LOOKS_AFTER_RING if rung else 0):
            if self._comm.Iprobe(source=MPI.ANY_SOURCE, tag=_TAG):
                break
        return woken

    @property
    def patience(self) -> float:
        """Short while something is on its way, or while ranks of other nodes, who can't ring, may send."""
        if self._sending or any(self._incoming.values()):
            return _PAUSE_UNDER_WAY
        rung_by_all = self._bell is not None and self._bell.covers(self._comm.size)
        return LONGEST_PAUSE if rung_by_all else _PAUSE_WITHOUT_BELL

    def flush(self, limit: float) -> bool:
        """Test until all sends are complete or `limit` seconds are over."""
        end = time.monotonic() + limit
        while self._sending and time.monotonic() < end:
            self._sending = [s for s in self._sending if not s[0].Test()]
            if self._sending:
                time.sleep(0.0005)
        return not self._sending

    def close(self) -> None:
        """Cancel what is unfinished and remove the doorbell."""
        for request in [s[0] for s in self._sending] + [i.request for q in self._incoming.values() for i in q]:
            if not request.Test():
                request.Cancel()
                request.Free()
        self._sending.clear()
        self._incoming.clear()
        if self._bell is not None:
            self._bell.close()
