"""What the manager tells people: status, announcements, journal and log."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pal_core.control import vocabulary as v
from pal_core.control.manager import Manager
from pal_core.observe import Observer
from pal_core.runtime.plan import Plan
from pal_core.runtime.status import StatusBoard
from pal_core.store.store import Store

__all__ = ["Telling"]

_EVERY = 1.0
_log = logging.getLogger("pal.manager")


class Telling:
    """Keeps observers up to date, about once a second and at once when there is news.

    Parameters
    ----------
    machine : Manager
    plan : Plan
    store : Store
        For the journal, and a point of history with every status.
    directory : Path
        The run directory.
    observers : iterable of Observer
    """

    def __init__(
        self, machine: Manager, plan: Plan, store: Store, directory: Path, observers: Iterable[Observer]
    ) -> None:
        self.board = StatusBoard(machine, plan)
        self.outcome: v.Outcome | None = None
        self.reason = ""
        self._machine = machine
        self._store = store
        self._directory = directory
        self._observers = list(observers)
        self._began = self._told = time.monotonic()

    def announce(self, source: str, text: str, trace: str = "") -> None:
        """Tell at once and everywhere: in the journal, in the log, and on the screen by way of the status."""
        trace = self.board.traces.once(source, text, trace, time.monotonic())
        self.board.announce(text)
        self._store.note(source, text)
        if trace:
            self._store.note(source, trace)
        _log.error("%s%s", text, f"\n{trace}" if trace else "")
        self._told = float("-inf")

    def status(self) -> dict[str, Any]:
        """The status now."""
        status = self.board.make(time.monotonic() - self._began)
        status["outcome"] = self.outcome
        status["reason"] = self.reason or status["reason"]
        return status

    def started(self) -> None:
        """Tell observers for the first time."""
        self._tell(lambda observer, status: observer.started(self._directory, status))

    def tick(self, now: float) -> None:
        """Tell observers how things are, if it is time."""
        if now - self._told >= _EVERY:
            self._told = now
            self._tell(lambda observer, status: observer.progressed(status))

    def ended(self, outcome: v.Outcome, reason: str) -> None:
        """Tell observers for the last time."""
        self.outcome, self.reason = outcome, reason
        self._tell(lambda observer, status: observer.ended(status))

    def _tell(self, how: Callable[[Observer, dict[str, Any]], None]) -> None:
        self._store.check_presence()
        status = self.status()
        tally = self._machine.tally
        self._store.add_history(tally.steps, tally.selected, tally.labels, len(self._machine.queue))
        for observer in list(self._observers):
            try:
                how(observer, status)
            except Exception:
                _log.exception("observer %r is dropped", observer)
                self._observers.remove(observer)
