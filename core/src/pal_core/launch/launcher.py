"""Starts the ranks of a run, watches them, and starts them again when they die before the run has ended."""

from __future__ import annotations

import contextlib
import os
import secrets
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pal_core.builtin.observer import STATUS_FILE, read_status
from pal_core.launch.directory import await_lock, made, stored_end
from pal_core.launch.names import (
    CORES_VARIABLE,
    END_VARIABLE,
    LAUNCHED_VARIABLE,
    RANKS_VARIABLE,
    RESTART_VARIABLE,
    TOKEN_VARIABLE,
    LastWords,
)
from pal_core.launch.processes import Owner
from pal_core.launch.ranks import Ranks
from pal_core.launch.signals import AT_ONCE, Wishes, heeding
from pal_core.launch.ways import LaunchError, Way
from pal_core.runtime.manager import STOP_FILE
from pal_core.store.faults import is_full
from pal_core.worker import thread_variables

__all__ = ["LEAVE_LIMIT", "PAUSES", "PAUSE_OF_NODES", "Launcher", "Limits"]

PAUSES = (0.5, 5.0, 30.0)
"""Seconds before the first, second and any further restart without progress in between."""
PAUSE_OF_NODES = 5.0
"""Seconds at least if ranks may be on other nodes: nobody here sees when the last of them has gone."""
LEAVE_LIMIT = 15.0
"""Seconds, at most, that ranks may take to leave when the run has ended: everything is written then, MPI may hang."""
_POLL = 0.1
_LINES = 15
_WISHED = ("asked to stop", "signal ")


@dataclass(frozen=True)
class Limits:
    """How long and how often.

    Parameters
    ----------
    stop : float
        Seconds that ranks may take to end after the run has.
    startup : float
        Seconds until the first status.
    restarts : int
        Starts in a row, besides the first, that bring no label and no training round.
    """

    stop: float = 60.0
    startup: float = 300.0
    restarts: int = 3


class Launcher:
    """Starts of a run's ranks, until the run has ended.

    Parameters
    ----------
    way : Way
    arguments : list of str
        Command line of the worker: the settings file and flags.
    directory : Path
        The run directory.
    threads : int
    limits : Limits
    say : callable
        Shows a line of text.
    end : float, optional
        When the batch job is ended, in seconds since 1970.
    """

    def __init__(
        self,
        way: Way,
        arguments: list[str],
        directory: Path,
        *,
        threads: int,
        limits: Limits,
        say: Callable[[str], None],
        end: float | None = None,
    ) -> None:
        self.directory = directory
        self.wishes = Wishes()
        self.advanced = False
        self._way = way
        self._limits = limits
        self._say = say
        self._command = way.command([sys.executable, "-m", "pal_core.worker", *arguments])
        self._owner = Owner.me(secrets.token_hex(12))
        self._environment = {**_environment(way, threads, self._owner), **_end(end)}
        self._status: dict[str, Any] | None = None
        self._overdue = 0

    def run(self, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        """Start and watch until the run has ended, and return the last status.

        SIGINT, SIGTERM, SIGUSR1 and SIGHUP ask the run to stop; a second SIGINT or SIGTERM ends it at once.

        Parameters
        ----------
        show : callable
            Called with every new status.

        Returns
        -------
        dict
            Has at least `outcome` and `reason`.

        Raises
        ------
        LaunchError
            If the ranks ended without an outcome and starting them again is no use; has the end of their output.
        """
        (self.directory / "logs").mkdir(parents=True, exist_ok=True)
        self._owner.sign(self.directory)
        (self.directory / STOP_FILE).unlink(missing_ok=True)
        (self.directory / "logs" / "mpiexec.log").write_bytes(b"")
        try:
            with heeding(self.wishes, self._ask_to_stop):
                return self._starts(show)
        finally:
            # Not before everything is over: a rank that was left would belong to nobody.
            self._owner.sign_off(self.directory)

    def _starts(self, show: Callable[[dict[str, Any]], None]) -> dict[str, Any]:
        vain, cause, best = 0, "", made(self.directory)
        while True:
            environment = {**self._environment, **({RESTART_VARIABLE: cause} if cause else {})}
            ranks = Ranks(self._command, environment, self.directory)
            try:
                end = self._start(ranks, show)
                after = made(self.directory)
                if any(new > old for new, old in zip(after, best, strict=True)):
                    self.advanced, vain = True, 0
                best = (max(best[0], after[0]), max(best[1], after[1]))
                if end is not None:
                    return end
                cause = self._cause(ranks)
                error = LaunchError(cause, _hint(ranks))
            finally:
                ranks.close()
            if vain >= self._limits.restarts:
                often = f"; started again {vain} times without progress" if vain else ""
                raise LaunchError(error.message + often, error.hint)
            vain += 1
            if not self._prepare_restart(error, vain):
                return self._stopped(self.wishes.words or "asked to stop")

    def _start(self, ranks: Ranks, show: Callable[[dict[str, Any]], None]) -> dict[str, Any] | None:
        """Watch one start to its end; None if the ranks are to be started again."""
        begin = time.time()
        self._status = None
        try:
            self._watch(ranks, show)
        finally:
            ranks.end()
        if self.wishes.at_once:
            return self._stopped(AT_ONCE)
        end = self._outcome(begin)
        words = ranks.last_words()
        if end is not None and not (end["outcome"] == "failed" and any(w.kind == "abandoned" for w in words)):
            return end
        if self.wishes:
            return self._stopped(self.wishes.words)
        if self._comes_again(words):
            raise LaunchError(self._cause(ranks), _hint(ranks))
        if self._was_ending(ranks):
            return self._stopped("asked to stop")
        return None

    def _comes_again(self, words: list[LastWords]) -> bool:
        """Whether another start would end in the same way at once."""
        begun = self._status is not None and self._status["phase"] != "starting"
        lasting = any(w.kind == "error" or (w.kind == "exception" and not begun) for w in words)
        return lasting or self._overdue > 1 or not self.directory.exists() or is_full(self.directory)

    def _watch(self, ranks: Ranks, show: Callable[[dict[str, Any]], None]) -> None:
        (self.directory / STATUS_FILE).unlink(missing_ok=True)
        begin, ended = time.monotonic(), 0.0
        while ranks.code is None and not self.wishes.at_once:
            time.sleep(_POLL)
            now = time.monotonic()
            ranks.shorten_log(now)
            here = 0 if self._way.spreads else self._way.processes.size
            if self._way.survive and ranks.given_up(now, self._status is not None, here):
                return
            self._look(show)
            if self._status is None and now - begin > self._limits.startup:
                self._overdue += 1
                return
            if self._status is not None and self._status["outcome"] is not None:
                ended = ended or now
                if now - ended > min(self._limits.stop, LEAVE_LIMIT):
                    return
        self._look(show)
        self._overdue = 0

    def _look(self, show: Callable[[dict[str, Any]], None]) -> None:
        found = read_status(self.directory)
        if found is not None and (self._status is None or found["updated"] != self._status["updated"]):
            self._status = found
            show(found)

    def _outcome(self, begin: float) -> dict[str, Any] | None:
        """How the run ended, by its status or by the store: the last status may not have reached its file."""
        if self._status is not None and self._status["outcome"] is not None:
            return self._status
        end = stored_end(self.directory, begin)
        return None if end is None else {**(self._status or {}), **end}

    def _was_ending(self, ranks: Ranks) -> bool:
        """Whether someone has asked the run to stop, past this launcher: `pal stop`, or a signal to mpiexec or rank 0.

        Then ranks that die on their way out are not started again.
        """
        status = self._status or {}
        wished = str(status.get("reason") or "").startswith(_WISHED)
        return (self.directory / STOP_FILE).exists() or wished or ranks.was_asked()

    def _stopped(self, reason: str) -> dict[str, Any]:
        (self.directory / STOP_FILE).unlink(missing_ok=True)
        return {**(self._status or {}), "outcome": "interrupted", "reason": reason}

    def _prepare_restart(self, error: LaunchError, number: int) -> bool:
        """Say why, wait, and see that the directory is free; False if meanwhile someone has asked to stop."""
        pause = PAUSES[min(number, len(PAUSES)) - 1]
        if self._way.spreads:
            pause = max(pause, PAUSE_OF_NODES)
        self._say(error.message)
        self._say("\n".join(f"  {line}" for line in error.hint.splitlines()[-_LINES:]))
        self._say(f"starting them again in {pause:g} s (restart {number} of {self._limits.restarts} without progress)")
        end = time.monotonic() + pause
        while time.monotonic() < end:
            if self.wishes or (self.directory / STOP_FILE).exists():
                return False
            time.sleep(min(_POLL, pause))
        await_lock(self.directory)
        return True

    def _ask_to_stop(self) -> None:
        with contextlib.suppress(OSError):  # of a directory that has been removed
            (self.directory / STOP_FILE).write_text(self.wishes.words, encoding="utf-8")

    def _cause(self, ranks: Ranks) -> str:
        if self._overdue:
            return f"the run has not begun within run.startup_limit = {self._limits.startup:g} s"
        # Rank 0 knows why it gave up; the others only that it did.
        abandoned = sorted((w for w in ranks.last_words() if w.kind == "abandoned"), key=lambda w: w.rank)
        if abandoned:
            return f"the ranks were ended by force: {abandoned[0].text}"
        words = "".join(f" (rank {w.rank}: {w.text.splitlines()[0]})" for w in ranks.last_words()[:1])
        full = f": the disk of {self.directory} is full" if is_full(self.directory) else ""
        return f"the ranks ended with code {ranks.code} before the run did{words}{full}"


def _environment(way: Way, threads: int, owner: Owner) -> dict[str, str]:
    return {
        **os.environ,
        **thread_variables(threads),
        RANKS_VARIABLE: str(way.processes.size),
        CORES_VARIABLE: str(way.cores),
        LAUNCHED_VARIABLE: f"{owner.host}:{owner.pid}",
        TOKEN_VARIABLE: owner.token,
        "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")]),
    }


def _end(end: float | None) -> Mapping[str, str]:
    return {} if end is None else {END_VARIABLE: f"{end:.0f}"}


def _hint(ranks: Ranks) -> str:
    text = ranks.output()
    return f"the end of {ranks.log}:\n{text}" if text else f"nothing was printed to {ranks.log}"
