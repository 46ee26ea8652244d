"""The only file that imports mpi4py: the world of ranks, and messages between them.

Importing `mpi4py.MPI` starts MPI, so this module is imported by worker processes only. In steady state everything is
point to point and nothing waits inside MPI: sends and receives are requests that are tested, never awaited.

Under Open MPI with fault tolerance (ULFM) the living go on when ranks die or hang. What a lost rank had sent arrives up
to the first message that did not arrive whole; what is for it is dropped; nothing between the living changes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import mpi4py

from pal_core.transport.survival import Watch, process_identity, survives

if survives(os.environ):
    # MPI_Finalize may hang after a death. Ranks say goodbye in `World.leave`.
    mpi4py.rc.finalize = False

from mpi4py import MPI  # starts MPI, with the setting above

from pal_core.errors import PalError
from pal_core.messages import Message
from pal_core.transport.base import LONGEST_PAUSE, Delivery, sleep_until_readable
from pal_core.transport.doorbell import Doorbell
from pal_core.transport.wire import Wire, fresh_buffer

__all__ = ["MpiTransport", "RankLostError", "World", "WorldError", "abort"]

_TAG = 7
_GOODBYE_TAG = 8
_LOSS_TAG = 9
_WATCHERS = 4
"""Ranks of a node that look after the others: rank 0, which never computes for long, and some in case others do."""
_TEXT_BYTES = 256
_LOOKS_AFTER_RING = 50
_PAUSE_WITHOUT_BELL = 1e-3
_PAUSE_UNDER_WAY = 2e-4
"""Seconds. A large message moves on only while both sides look at it."""
_LOOKS_AFTER_DEATH = 100
"""Probes that must find nothing before what a dead rank sent counts as taken in: each moves on a part only."""
_ASK_EVERY = 0.01
"""Seconds between questions for deaths, unless MPI complains: each takes 8 µs, a turn of a rank not much more."""
_GOODBYE_LIMIT = 30.0
_ABOUT_DEATHS = (MPI.ERR_PROC_FAILED, MPI.ERR_PROC_FAILED_PENDING)
_GOODBYE_PAUSE = 2e-3


class WorldError(PalError):
    """The MPI world isn't the one that was started."""


def abort(code: int) -> None:
    """End every rank at once, by force; before there is a `World`."""
    MPI.COMM_WORLD.Abort(code)


class RankLostError(PalError):
    """A rank was lost while all of them were starting, which they do together."""

    passes = True


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
    RankLostError
        If a rank is lost meanwhile, as in all calls that ranks make together.
    """

    def __init__(self, expected: int | None = None) -> None:
        with _together():
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
        fault_tolerant = "Open MPI" in MPI.Get_library_version() and hasattr(MPI.Comm, "Get_failed")
        self.survives: bool = fault_tolerant and survives(os.environ)
        """Whether this run outlives the death of ranks."""
        self._failed: set[int] = set()
        self._dead: set[int] = set()
        self._watch: Watch | None = None
        self._asked = float("-inf")
        self._status = MPI.Status()
        if self.survives:
            nodes, identities = self.nodes(), self._gather(process_identity())
            here = [r for r, node in enumerate(nodes) if node == nodes[self.rank]]
            if self.rank in here[:_WATCHERS]:
                self._watch = Watch({r: identities[r] for r in here if r != self.rank})

    @property
    def comm(self) -> MPI.Comm:
        """Communicator of the run's own messages."""
        return self._comm

    def share(self, text: str | None) -> str:
        """Give rank 0's text to all ranks. All ranks call this together, at the start."""
        data = bytearray((text or "").encode())
        length = bytearray(len(data).to_bytes(8, "little"))
        with _together():
            self._comm.Bcast([length, MPI.BYTE], root=0)
            if self.rank:
                data = bytearray(int.from_bytes(length, "little"))
            self._comm.Bcast([data, MPI.BYTE], root=0)
        return data.decode()

    def nodes(self) -> tuple[str, ...]:
        """Node name of every rank. All ranks call this together, at the start."""
        return self._gather(MPI.Get_processor_name())

    def _gather(self, text: str) -> tuple[str, ...]:
        """Short text of every rank."""
        short = text.encode()[:_TEXT_BYTES]
        mine, everyone = bytearray(short.ljust(_TEXT_BYTES, b"\0")), bytearray(_TEXT_BYTES * self.size)
        with _together():
            self._comm.Allgather([mine, MPI.BYTE], [everyone, MPI.BYTE])
        rows = (everyone[i : i + _TEXT_BYTES] for i in range(0, len(everyone), _TEXT_BYTES))
        return tuple(row.rstrip(b"\0").decode() for row in rows)

    def deaths(self) -> list[int]:
        """Ranks that were found dead or hung since the last call. Those that hang on this node are ended.

        MPI tells of those that a signal killed, within 0.1 s. The watch finds those that exited or stand still. Asked
        again within `_ASK_EVERY`, nothing is found, unless there is reason to `suspect` a death.
        """
        now = time.monotonic()
        if not self.survives or now - self._asked < _ASK_EVERY:
            return []
        self._asked = now
        found = self._told_by_mpi() + self._told_by_others()
        seen = self._watch.look(now) if self._watch is not None else []
        for rank in set(seen) - self._dead:
            self._tell(rank)
        new = sorted({*found, *seen} - self._dead)
        self._dead.update(new)
        if self._watch is not None:
            for rank in new:
                self._watch.forget(rank)
        return new

    def suspect(self) -> None:
        """Something went wrong that a death may be the cause of: look for one at the next call of `deaths`."""
        self._asked = float("-inf")

    def _told_by_mpi(self) -> list[int]:
        failed = self._comm.Get_failed()
        ranks: list[int] = []
        if failed.size > len(self._failed):
            ranks = failed.Translate_ranks(None, self._comm.group)
            self._comm.Ack_failed(len(ranks))
            self._failed.update(ranks)
        failed.Free()
        return ranks

    def _told_by_others(self) -> list[int]:
        ranks = []
        with contextlib.suppress(MPI.Exception):
            while self._comm.Iprobe(source=MPI.ANY_SOURCE, tag=_LOSS_TAG, status=self._status):
                number = bytearray(4)
                self._comm.Recv([number, MPI.BYTE], source=self._status.Get_source(), tag=_LOSS_TAG)
                ranks.append(int.from_bytes(number, "little"))
        return ranks

    def _tell(self, lost: int) -> None:
        """MPI doesn't know of ranks that exit with an error, or stand still, so everyone hears of them from here."""
        for rank in set(range(self.size)) - self._dead - {self.rank, lost}:
            with contextlib.suppress(MPI.Exception):
                self._comm.Isend([bytearray(lost.to_bytes(4, "little")), MPI.BYTE], dest=rank, tag=_LOSS_TAG).Test()

    def leave(self, code: int) -> int:
        """Leave the run for good: the last call of a rank, after `MpiTransport.close`.

        Where deaths are survived it doesn't return: ranks wait for each other outside MPI's own ending, which hangs
        after a death, and exit. Elsewhere it returns `code`, and the program ends as usual.
        """
        if not self.survives:
            return code
        with contextlib.suppress(MPI.Exception):
            self._say_goodbye()
        logging.shutdown()
        for stream in (sys.stdout, sys.stderr):
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
        os._exit(code)

    def _say_goodbye(self) -> None:
        """Rank 0 hears from everyone living, then lets all go, so that nobody takes one who left for dead.

        A rank's goodbye overtakes none of its messages. Without an answer from rank 0 a rank waits until that is gone.
        """
        nothing, end = bytearray(0), time.monotonic() + _GOODBYE_LIMIT
        missing = set(range(1, self.size)) if self.rank == 0 else {0}
        if self.rank:
            self._comm.Isend([nothing, MPI.BYTE], dest=0, tag=_GOODBYE_TAG)
        while missing - self._dead and (self.rank or time.monotonic() < end):
            self.deaths()
            for rank in missing - self._dead:
                with contextlib.suppress(MPI.Exception):
                    if self._comm.Iprobe(source=rank, tag=_GOODBYE_TAG):
                        missing.discard(rank)
            time.sleep(_GOODBYE_PAUSE)
        if self.rank == 0:
            for rank in set(range(1, self.size)) - self._dead:
                with contextlib.suppress(MPI.Exception):
                    self._comm.Isend([nothing, MPI.BYTE], dest=rank, tag=_GOODBYE_TAG).Test()

    def abort(self, code: int) -> None:
        """End every rank at once, by force."""
        self._comm.Abort(code)


@contextlib.contextmanager
def _together() -> Iterator[None]:
    """Around what all ranks do together; with ULFM it raises in those left, by one error or another, if one is lost."""
    try:
        yield
    except MPI.Exception as error:
        if not survives(os.environ):
            raise
        raise RankLostError(f"a rank was lost while the ranks were starting ({error})") from error


@dataclass(slots=True)
class _Incoming:
    """A message that is being received."""

    request: MPI.Request
    buffer: memoryview
    broken: bool = False


_Outgoing = tuple[MPI.Request, memoryview, int]
"""A message that is being sent: request, buffer, receiver's rank."""


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
        self._world = world
        self._comm = world.comm
        self._rank = world.rank
        self._wire = wire
        self._ranks = dict(ranks)
        self._bell = bell
        self._local: deque[memoryview] = deque()
        self._sending: list[_Outgoing] = []
        self._incoming: dict[int, deque[_Incoming]] = {}
        self._status = MPI.Status()
        self._survives = world.survives
        self._lost: set[int] = set()
        self._news: list[int] = []
        self._retired: set[tuple[str, int]] = set()
        self._buried: list[object] = []

    def send(self, to: str, sender: str, message: Message) -> None:
        """Start sending; the buffer is kept until MPI has done with it."""
        rank = self._ranks[to]
        if rank in self._lost:
            return
        buffer = self._wire.encode(to, sender, message)
        if rank == self._rank:
            self._local.append(buffer)
            return
        try:
            request = self._comm.Isend([buffer, MPI.BYTE], dest=rank, tag=_TAG)
        except MPI.Exception as error:
            self._excuse(error)
            return
        self._sending.append((request, buffer, rank))
        if self._bell is not None:
            self._bell.ring(rank)

    def receive(self) -> list[Delivery]:
        """Whatever has arrived whole, in order per sender."""
        dying = self._world.deaths() if self._survives else []
        if self._sending:
            self._test_sends()
        self._match()
        for _ in range(_LOOKS_AFTER_DEATH if dying else 0):
            self._match()
        buffers: list[tuple[int, memoryview]] = [(self._rank, b) for b in self._local]
        self._local.clear()
        for rank, queue in self._incoming.items():
            while queue and self._is_here(queue[0]):
                buffers.append((rank, queue.popleft().buffer))
        for rank in dying:
            self._bury(rank)
        deliveries = [(rank, self._wire.decode(b)) for rank, b in buffers]
        return [d for rank, d in deliveries if (d[1], rank) not in self._retired]

    def lost(self) -> list[int]:
        """Ranks found dead or hung since the last call; nothing from them is delivered any more."""
        news, self._news = self._news, []
        return news

    def move(self, address: str, rank: int) -> None:
        """Send messages for the address to another rank, and take messages from it from the former one no more."""
        former = self._ranks[address]
        self._ranks[address] = rank
        self._retired.add((address, former))
        self._retired.discard((address, rank))

    def _match(self) -> None:
        """Start to receive every message that has shown."""
        while (found := self._probe()) is not None:
            source = self._status.Get_source()
            buffer = fresh_buffer(self._status.Get_count(MPI.BYTE))
            try:
                incoming = _Incoming(found.Irecv([buffer, MPI.BYTE]), buffer)
            except MPI.Exception as error:
                self._excuse(error)
                continue
            if source in self._lost:
                self._buried.append(incoming)
            else:
                self._incoming.setdefault(source, deque()).append(incoming)

    def _probe(self) -> MPI.Message | None:
        try:
            return self._comm.Improbe(source=MPI.ANY_SOURCE, tag=_TAG, status=self._status)
        except MPI.Exception as error:
            self._excuse(error)
            return None

    def _is_here(self, incoming: _Incoming) -> bool:
        """Whether a message has arrived whole; one that never will stays, so that none after it is delivered."""
        if incoming.broken:
            return False
        try:
            return incoming.request.Test()
        except MPI.Exception as error:
            self._excuse(error)
            incoming.broken = True
            return False

    def _test_sends(self) -> None:
        """Forget what has been sent."""
        try:
            self._sending = [s for s in self._sending if not s[0].Test()]
        except MPI.Exception:
            self._sending = [s for s in self._sending if not self._is_sent(s)]

    def _is_sent(self, outgoing: _Outgoing) -> bool:
        try:
            return outgoing[0].Test()
        except MPI.Exception as error:
            self._excuse(error)
            return True

    def _excuse(self, error: MPI.Exception) -> None:
        """Raise again what isn't about a lost rank. The rank itself is found by `World.deaths` in the next turn."""
        if not (self._survives and error.Get_error_class() in _ABOUT_DEATHS):
            raise error
        self._world.suspect()

    def _bury(self, rank: int) -> None:
        """Part with a lost rank. What MPI may still write to or read from is kept: a hung rank may be half alive."""
        self._lost.add(rank)
        self._news.append(rank)
        self._buried += self._incoming.pop(rank, ())
        self._buried += [s for s in self._sending if s[2] == rank]
        self._sending = [s for s in self._sending if s[2] != rank]

    def wait(self, seconds: float, files: Iterable[int] = ()) -> bool:
        """Sleep in `select`, outside MPI; after a ring look again until the message shows, for some microseconds."""
        if self._local:
            return True
        if self._bell is None:
            return sleep_until_readable(seconds, files)
        rung, woken = self._bell.wait(seconds, files)
        for _ in range(_LOOKS_AFTER_RING if rung else 0):
            try:
                if self._comm.Iprobe(source=MPI.ANY_SOURCE, tag=_TAG):
                    break
            except MPI.Exception as error:
                self._excuse(error)
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
        """Test until all sends to the living are complete or `limit` seconds are over."""
        end = time.monotonic() + limit
        while self._sending and time.monotonic() < end:
            for rank in self._world.deaths():
                self._bury(rank)
            self._test_sends()
            if self._sending:
                time.sleep(0.0005)
        return not self._sending

    def close(self) -> None:
        """Cancel what is unfinished and remove the doorbell."""
        for request in [s[0] for s in self._sending] + [i.request for q in self._incoming.values() for i in q]:
            try:
                if not request.Test():
                    request.Cancel()
                    request.Free()
            except MPI.Exception as error:
                self._excuse(error)
        self._sending.clear()
        self._incoming.clear()
        if self._bell is not None:
            self._bell.close()
