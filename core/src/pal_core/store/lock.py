"""One writer per run directory, also where the file system's locks reach no further than one computer.

The file ``lock`` is locked by flock and holds a record of who has it: host, process, start, and a word drawn at random.
Where flock can't be relied on, the record alone decides: on the same computer by looking for the process, otherwise
by the file's time, which the holder renews about once a second. The file is never removed: two processes could then
each lock one of their own.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
import socket
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pal_core.proc import is_alive, number_space, started_at
from pal_core.reading import parse_json, read_plain
from pal_core.store.faults import StoreError, explain
from pal_core.store.filesystem import filesystem_of, is_network

__all__ = ["LOCK_FILE", "STALE_AFTER", "Holder", "Lock", "holder_of"]

LOCK_FILE = "lock"
STALE_AFTER = 60.0
"""Seconds without a renewal after which a lock held on another computer counts as left behind."""
_RENEW_EVERY = 1.0
_RECORD = 512  # always as long, so that a full disk has room for the next one
_SETTLE = 0.2
_LAST = 1e11  # a time that `localtime` knows
_NO_FLOCK = (errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP, errno.EINVAL)


@dataclass(frozen=True)
class Holder:
    """Who holds a run directory, or has left its record behind."""

    host: str
    pid: int
    since: float
    start: str
    place: str
    word: str

    @classmethod
    def me(cls) -> Holder:
        """This process."""
        return cls(
            socket.gethostname(), os.getpid(), time.time(), started_at(os.getpid()), _place(), secrets.token_hex(8)
        )

    def __str__(self) -> str:
        since = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(self.since))
        return f"pid {self.pid} on {self.host} since {since}"

    def alive(self, silence: float) -> bool:
        """Whether it still holds the lock; `silence` are the seconds since the record was renewed."""
        if self.place == _place():
            return is_alive(self.pid) and started_at(self.pid) == self.start
        return silence <= STALE_AFTER


def holder_of(directory: Path) -> tuple[Holder, bool] | None:
    """Whose record the lock file has, and whether that process still lives; None if nobody's. Takes no lock."""
    path = directory / LOCK_FILE
    try:
        found = _parse(read_plain(path))
        return None if found is None else (found, found.alive(_silence(path)))
    except FileNotFoundError:
        return None
    except OSError as error:
        raise explain(path, error) from error


class Lock:
    """The run directory, held against a second writer.

    Parameters
    ----------
    directory : Path
        Is made if need be.

    Attributes
    ----------
    taken_over : Holder or None
        Who had left the lock behind.

    Raises
    ------
    StoreError
        If another process holds it, or the directory can't be written to.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.path = directory / LOCK_FILE
        self.me = Holder.me()
        self.taken_over: Holder | None = None
        self._renewed = 0.0
        self._fd = -1
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._take()
        except OSError as error:
            self._drop()
            raise explain(self.path, error) from error
        except BaseException:
            self._drop()
            raise

    def _take(self) -> None:
        self._fd = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK, 0o644)
        certain = self._flock() and not is_network(filesystem_of(self.directory))
        before = _parse(os.pread(self._fd, _RECORD, 0))
        if before is not None and not certain and before.alive(_silence(self.path)):
            raise self._in_use(before, certain=False)
        self.taken_over = before
        self._write(json.dumps(asdict(self.me)))
        if not certain:
            # Of two that take it at one moment the later one's record stays; the other sees it here or at a renewal.
            time.sleep(_SETTLE)
        self.renew(at_once=True)

    def _flock(self) -> bool:
        """Lock the file by the file system's means; whether it has any."""
        try:
            fcntl.flock(self._fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise self._in_use(_parse(os.pread(self._fd, _RECORD, 0)), certain=True) from error
        except OSError as error:
            if error.errno not in _NO_FLOCK:
                raise
            return False
        return True

    def _in_use(self, holder: Holder | None, certain: bool) -> StoreError:
        who = holder or "an unknown process"
        if holder is None or certain or holder.place == _place():
            return StoreError(f"{self.directory} is in use by {who}", f"stop that run first: pal stop {self.directory}")
        return StoreError(
            f"{self.directory} is in use by {who}, which gave a sign of life {_silence(self.path):.0f} s ago",
            f"stop that run first: pal stop {self.directory}; if it has died, try again in {STALE_AFTER:.0f} s",
        )

    def _write(self, record: str) -> None:
        os.pwrite(self._fd, record.ljust(_RECORD - 1).encode() + b"\n", 0)
        os.ftruncate(self._fd, _RECORD)
        os.fsync(self._fd)

    def renew(self, at_once: bool = False) -> None:
        """Say that the holder lives, about once a second however often it is called.

        Raises
        ------
        StoreError
            If somebody else has taken the lock meanwhile: this process must write no more.
        """
        now = time.monotonic()
        if not at_once and now - self._renewed < _RENEW_EVERY:
            return
        self._renewed = now
        try:
            # By name and not by descriptor: this is what another computer sees.
            found = _parse(read_plain(self.path))
            os.utime(self._fd)
        except FileNotFoundError:
            self._take_again()
            return
        except OSError as error:
            raise StoreError(
                f"{self.path} can't be renewed any more: {error}",
                "is the run directory still there, and writable? What was stored before is safe: pal run goes on",
            ) from error
        if found is None or found.word != self.me.word:
            raise StoreError(
                f"{self.directory} was taken over by {found or 'an unknown process'}: {self.me} writes no more to it",
                f"look which run is to go on: pal status {self.directory}",
            )

    def _take_again(self) -> None:
        """Somebody has removed the lock file of a run that is at work: make it anew, unless another has done so."""
        if not self.directory.exists():
            raise StoreError(
                f"{self.directory} has been removed while the run was going", "start again: pal run SETTINGS"
            )
        self._drop()
        try:
            self._take()
        except OSError as error:
            raise explain(self.path, error) from error

    def release(self) -> None:
        """Wipe the record, if it is still our own, and let go."""
        with contextlib.suppress(OSError):
            found = _parse(read_plain(self.path))
            if found is not None and found.word == self.me.word:
                self._write("")
        self._drop()

    def _drop(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1


def _parse(record: bytes) -> Holder | None:
    try:
        holder = Holder(**parse_json(record))
    except (ValueError, TypeError):
        return None
    texts = all(isinstance(t, str) for t in (holder.host, holder.start, holder.place, holder.word))
    numbers = type(holder.pid) is int and isinstance(holder.since, (int, float))
    return holder if texts and numbers and holder.pid > 0 and 0 <= holder.since < _LAST else None


def _silence(path: Path) -> float:
    """Seconds since a file was renewed, by the clock of the file system: computers disagree about the time."""
    renewed = path.stat().st_mtime
    try:
        with tempfile.TemporaryFile(dir=path.parent) as now:
            now.write(b"x")
            now.flush()
            return os.fstat(now.fileno()).st_mtime - renewed
    except OSError:  # nothing can be written there
        return time.time() - renewed


def _place() -> str:
    """Where a process can be looked for."""
    try:
        return number_space()
    except OSError:
        return socket.gethostname()
