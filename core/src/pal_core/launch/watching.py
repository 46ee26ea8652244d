"""A rank's watch over those that started it: ranks must not live on when nobody is left to end them."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections.abc import Callable

from pal_core.launch.names import LAUNCHED_VARIABLE
from pal_core.proc import is_alive, started_at

__all__ = ["Watch", "watch_launcher"]

LOOK_EVERY = 0.5
"""Seconds between two looks."""
STOPS = 4
"""Times `run.stop_limit` that an orderly end may take: labels, training, walkers, hosts."""


class Watch(threading.Thread):
    """Looks after the launcher and the parent of this rank in a thread, since kernels keep the rank busy for long.

    When the parent (mpiexec, or its helper on this node) has died, MPI is broken and the rank ends at once: the
    launcher starts the ranks again, or has died as well. When only the launcher has died the manager is told, so that
    the run ends in order. A rank that still lives when `limit` seconds have passed since then ends itself.

    Parameters
    ----------
    launcher : int or None
        Process number; None if it is on another node.
    limit : float
        Seconds.
    tell : callable
        Called once when the launcher has died.
    """

    def __init__(self, launcher: int | None, limit: float, tell: Callable[[str], None]) -> None:
        super().__init__(name="pal-watch", daemon=True)
        self._parent = os.getppid()
        self._launcher = launcher
        self._launcher_began = "" if launcher is None else started_at(launcher)
        self._limit = limit
        self._tell = tell
        self._over: float | None = None

    def run(self) -> None:
        """Look until this process ends."""
        while True:
            time.sleep(LOOK_EVERY)
            self.look(time.monotonic())

    def look(self, now: float) -> None:
        """Look once."""
        if os.getppid() != self._parent:
            self._leave("the program that started this rank has died")
        elif self._over is not None:
            if now > self._over:
                self._leave("pal run has died, and the run did not end in order")
        elif self._launcher is not None and not is_alive(self._launcher, self._launcher_began):
            self._over = now + self._limit
            self._tell("pal run has died")

    def _leave(self, why: str) -> None:
        print(f"pal: {why}", file=sys.stderr, flush=True)
        os._exit(1)


def watch_launcher(stop_limit: float, tell: Callable[[str], None]) -> None:
    """Start the watch, if this rank has been started by `pal run`.

    Parameters
    ----------
    stop_limit : float
        `run.stop_limit`, seconds.
    tell : callable
        See `Watch`.
    """
    host, _, pid = os.environ.get(LAUNCHED_VARIABLE, "").rpartition(":")
    if pid.isdigit():
        Watch(int(pid) if host == socket.gethostname() else None, STOPS * stop_limit, tell).start()
