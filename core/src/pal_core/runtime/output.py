"""What an oracle prints, in a log that stays short, however much it is. Imports the standard library alone."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

__all__ = ["BoundedLog"]

BURST = 1 << 20
"""Bytes that are written of a burst of output: its beginning. Of what follows, the end is written."""
TAIL = 1 << 16
_BURST_TIME = 10.0
_QUIET = 1.0
_LONGEST = 5_000_000


class BoundedLog:
    """A log file with an older one beside it, each of `_LONGEST` bytes at most.

    A burst ends with a second of silence, or after ten seconds. Nothing is ever waited for but the disk; where that
    is full, the last lines are still in memory.

    Parameters
    ----------
    path : Path
        Continued if it exists. The older one has ``.1`` after its name.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._burst = 0
        self._began = self._heard = 0.0
        self._tail = bytearray()
        with contextlib.suppress(OSError):
            path.parent.mkdir(parents=True, exist_ok=True)

    def write(self, data: bytes, now: float) -> None:
        """Take a piece of output."""
        if not self._burst:
            self._began = now
        self._heard = now
        self._append(data[: max(0, BURST - self._burst)])
        self._burst += len(data)
        self._tail += data[-TAIL:]
        del self._tail[:-TAIL]
        if now - self._began > _BURST_TIME:
            self.settle()

    def patience(self, now: float) -> float | None:
        """Seconds until the burst is over if nothing more comes; None if there is none."""
        return max(0.0, self._heard + _QUIET - now) if self._burst else None

    def settle(self) -> None:
        """End a burst: write the end of it, if that has been left out so far."""
        left_out = self._burst - BURST
        if left_out > 0:
            end = bytes(self._tail[-left_out:])
            self._append(b"\n[%d bytes are left out]\n" % (left_out - len(end)) + end)
        self._burst = 0

    def last(self, count: int) -> str:
        """The last lines, of so many bytes at most."""
        return self._tail[-count:].decode(errors="replace")

    def _append(self, data: bytes) -> None:
        if not data:
            return
        with contextlib.suppress(OSError):  # a full disk, a directory that somebody has removed
            file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
            try:
                if os.fstat(file).st_size + len(data) > _LONGEST:
                    self.path.replace(self.path.with_name(self.path.name + ".1"))
                    os.close(file)
                    file = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o666)
                os.write(file, data)
            finally:
                os.close(file)
