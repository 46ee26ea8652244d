"""What a label may change in the process that makes it, and what is put back afterwards."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TextIO

from pal_core.runtime import processes

__all__ = ["Surroundings"]

_SWEEP_LIMIT = 2.0
_STREAMS = (0, 1, 2)
_SIGNALS = [n for n in range(1, 32) if n not in (signal.SIGKILL, signal.SIGSTOP)]
"""The standard ones: asking for the real-time ones too would take longer than many a label."""
_TIMERS = (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF)


class Surroundings:
    """Working directory, standard streams, signal handlers, timers, umask, and processes left running.

    Those of the label's beginning count: what the oracle has changed in its constructor is meant to be so. Environment
    variables stay as they are, since libraries set them for good reasons; threads can't be ended.

    Parameters
    ----------
    directory : Path, optional
        With it, this is an oracle's own process: every label begins there, and all that its guard has below it is
        ended but for this process and what the oracle's constructor has started. Without it, the process is others'
        too: a label ends where it has begun, and what this thread has started meanwhile is ended, unless it has
        detached itself.
    """

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._pid = os.getpid()
        self._roots: tuple[int, ...] = ()
        self._spared: set[processes.Identity] = set()
        if directory is not None:
            # The guard, to which orphans go, and this process.
            self._roots = (os.getppid(), self._pid)
            self._spared = processes.identities(p for root in self._roots for p in processes.descendants(root))

    def begin(self) -> None:
        """Remember what is there."""
        self._cwd = None
        with contextlib.suppress(FileNotFoundError):
            self._cwd = os.getcwd()  # noqa: PTH109 - a string is wanted
        if self._directory is not None:
            os.chdir(self._directory)
        if self._directory is None:
            self._spared = processes.identities(processes.children(self._pid, threading.get_native_id()))
        self._objects: tuple[TextIO, TextIO, TextIO] = (sys.stdin, sys.stdout, sys.stderr)
        self._streams = {number: _copy(number) for number in _STREAMS}
        self._handlers = {number: signal.getsignal(number) for number in _SIGNALS}
        self._mask = signal.pthread_sigmask(signal.SIG_BLOCK, ())
        self._timers = {timer: signal.getitimer(timer) for timer in _TIMERS}
        self._umask = os.umask(0o077)
        os.umask(self._umask)

    def _running(self) -> list[int]:
        """Processes that the label has left."""
        if self._directory is None:
            return processes.descendants(self._pid, self._spared, threading.get_native_id())
        return [p for root in self._roots for p in processes.descendants(root, self._spared)]

    def end(self) -> None:
        """Put back what has changed, and end what still runs."""
        if os.getpid() != self._pid:
            os._exit(0)  # a fork that the oracle has let return: there is one process that answers
        self._put_back_streams()
        self._put_back_signals()
        os.umask(self._umask)
        if self._directory is None and self._cwd is not None:
            with contextlib.suppress(OSError):
                os.chdir(self._cwd)
        processes.end_all(self._running, _SWEEP_LIMIT)

    def _put_back_streams(self) -> None:
        for number, copy in self._streams.items():
            if copy is not None:
                os.dup2(copy, number)
                with contextlib.suppress(OSError):
                    os.close(copy)
        for name, number, before in zip(("stdin", "stdout", "stderr"), _STREAMS, self._objects, strict=True):
            closed = before is not None and before.closed
            mode = "r" if number == 0 else "w"
            setattr(sys, name, open(number, mode, buffering=1, closefd=False) if closed else before)  # noqa: SIM115

    def _put_back_signals(self) -> None:
        for timer, before in self._timers.items():
            if before == (0.0, 0.0) != signal.getitimer(timer):
                signal.setitimer(timer, 0.0)
        signal.pthread_sigmask(signal.SIG_SETMASK, self._mask)
        for number, handler in self._handlers.items():
            if handler is not None and signal.getsignal(number) != handler:
                with contextlib.suppress(OSError, ValueError):  # not in the main thread: it can't have been changed
                    signal.signal(number, handler)


def _copy(stream: int) -> int | None:
    """A copy of a standard stream, None if it is closed; not inherited by programs."""
    try:
        return fcntl.fcntl(stream, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:
        return None
