"""The guard of an oracle's process: starts it, takes its output, watches its limits, and leaves nothing of it behind.

    host (an MPI rank)  ->  guard (a session of its own)  ->  worker (the oracle)  ->  whatever the oracle starts

The guard is the subreaper of all that descends from it, so also a program that has detached itself is found and
killed: when the worker has ended, when a limit is passed, when the host asks for it or is gone. It imports nothing but
the standard library, so that it stays small, and forks before there is any thread.

The host holds the guard's standard input and writes one letter to it: ``t`` (SIGTERM, a second of grace, then SIGKILL)
or ``k`` (SIGKILL). When everything has ended, the guard writes a `Report` as JSON to its report pipe.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import select
import signal
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path

from pal_core.runtime import processes
from pal_core.runtime.output import BoundedLog
from pal_core.runtime.scratch import usage

__all__ = ["TERM_GRACE", "Guard", "Report", "Task", "main"]

TERM_GRACE = 1.0
"""Seconds between SIGTERM and SIGKILL after a timeout: time enough to write a restart file."""
_HOST_GRACE = 4.0  # longer than the host gives an oracle to close
_END_LIMIT = 5.0
_LOOK_FOR_HOST, _LOOK_AGAIN = 5.0, 0.05
_MEMORY_EVERY = 0.05
_SCRATCH_EVERY = 0.5
_SCRATCH_SHARE = 0.05
"""Largest share of its time that the guard spends on measuring the scratch directory."""
_TAIL = 4000
_CHUNK = 1 << 20
_OOM_SCORE = 500
_GB = 1e9


@dataclass(frozen=True)
class Task:
    """What a guard is told on its command line."""

    host: int
    read: int
    write: int
    report: int
    log: str
    scratch: str
    index: int
    seed: int
    memory: float | None
    """GB"""
    scratch_limit: float | None
    """GB"""


@dataclass(frozen=True)
class Report:
    """How an oracle's process ended, and the last that it has printed."""

    how: str
    output: str
    limit: str = ""
    """The limit that it has passed, in words; empty if none."""


class Guard:
    """Looks after one worker.

    Parameters
    ----------
    worker : int
        Process id.
    output : int
        End of the pipe that the worker and its children print to.
    task : Task
    """

    def __init__(self, worker: int, output: int, task: Task) -> None:
        self._worker, self._output, self._task = worker, output, task
        self._log = BoundedLog(Path(task.log))
        self._status: int | None = None
        self._none_left = False
        self._kill_at = float("inf")
        self._limit = ""
        self._memory_at = 0.0 if task.memory else float("inf")
        self._scratch_at = 0.0 if task.scratch_limit else float("inf")
        self._killed_before = _killed_for_memory()
        self._poll = select.poll()
        self._wake, wakes = os.pipe()
        for end in (self._wake, wakes, output):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, self._asked_to_end)
        for number in (signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
            signal.signal(number, signal.SIG_IGN)
        for end in (sys.stdin.fileno(), output, self._wake):
            self._poll.register(end, select.POLLIN)

    def _asked_to_end(self, *_: object) -> None:
        self._kill_at = 0.0

    def run(self) -> Report:
        """Look after the worker until it has ended; then end what it has left."""
        while not self._over():
            self._wait()
            now = time.monotonic()
            self._read_output(now)
            self._watch(now)
            if now >= self._kill_at:
                break
        self._end_everything()
        self._read_output(time.monotonic())
        self._log.settle()
        return Report(self._words(), self._log.last(_TAIL), self._limit)

    def _over(self) -> bool:
        """Whether the worker has ended; after a SIGTERM, whether everything has."""
        self._reap()
        return self._none_left or (self._status is not None and self._kill_at == float("inf"))

    def _reap(self) -> None:
        """Wait for all that has ended: orphans become children of this process."""
        try:
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                if found[0] == self._worker:
                    self._status = found[1]
        except ChildProcessError:
            self._none_left = True

    def _wait(self) -> None:
        now = time.monotonic()
        look = _LOOK_FOR_HOST if self._kill_at == float("inf") else _LOOK_AGAIN
        times = [now + look, self._kill_at, self._memory_at, self._scratch_at]
        quiet = self._log.patience(now)
        until = min(times) if quiet is None else min(*times, now + quiet)
        for file, _ in self._poll.poll(max(0.0, 1000 * (until - now))):
            if file == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 1024)
            elif file == sys.stdin.fileno():
                self._hear_host()
        if os.getppid() != self._task.host:
            self._kill_at = 0.0  # the host is dead: its label is already another one's task

    def _hear_host(self) -> None:
        letters = os.read(sys.stdin.fileno(), 64)
        if not letters:
            self._poll.unregister(sys.stdin.fileno())
            self._host_gone()
        elif b"k" in letters:
            self._kill_at = 0.0
        else:
            self._kill_at = min(self._kill_at, time.monotonic() + TERM_GRACE)
            processes.send(processes.descendants(os.getpid()), signal.SIGTERM)

    def _host_gone(self) -> None:
        """At an orderly end the host closes its pipes, and the worker ends by itself."""
        self._kill_at = min(self._kill_at, time.monotonic() + _HOST_GRACE)

    def _read_output(self, now: float) -> None:
        """Take what has been printed; no more than a pipe holds, so that a flood can't keep this from its duties."""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._output, _CHUNK)
            if data:
                self._log.write(data, now)
            else:
                with contextlib.suppress(KeyError):
                    self._poll.unregister(self._output)
        if self._log.patience(now) == 0.0:
            self._log.settle()

    def _watch(self, now: float) -> None:
        task = self._task
        if task.memory and now >= self._memory_at:
            used = processes.memory(processes.descendants(os.getpid()), int(task.memory * _GB))
            self._judge("memory", "they used", used, task.memory)
            self._memory_at = now + _MEMORY_EVERY
        if task.scratch_limit and now >= self._scratch_at:
            used = usage(Path(task.scratch))
            self._judge("scratch", "its scratch directory took", used, task.scratch_limit)
            cost = time.monotonic() - now
            self._scratch_at = now + max(_SCRATCH_EVERY, cost / _SCRATCH_SHARE)

    def _judge(self, key: str, what: str, used: float, limit: float) -> None:
        if used > limit * _GB and not self._limit:
            self._limit = f"{what} {used / _GB:.3g} GB, oracle.{key} = {limit:g} GB"
            self._kill_at = 0.0

    def _end_everything(self) -> None:
        """Kill until no child is left: the kernel's word, since all orphans become children of this process."""
        for _ in processes.pauses(_END_LIMIT):
            self._reap()
            if self._none_left:
                return
            processes.send(processes.descendants(os.getpid()), signal.SIGKILL)
            if self._status is None:
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._worker, signal.SIGKILL)

    def _words(self) -> str:
        if self._status is None:
            return "processes that can't be killed"
        code = os.waitstatus_to_exitcode(self._status)
        if code >= 0:
            return f"exit code {code}"
        name = f"signal {-code}"
        with contextlib.suppress(ValueError):
            name = f"signal {-code} ({signal.Signals(-code).name})"
        if -code == signal.SIGKILL and _killed_for_memory() > self._killed_before:
            name += ", while the kernel was killing processes for lack of memory"
        return name


def _killed_for_memory() -> int:
    """Processes that the kernel has killed for lack of memory since it booted; 0 if it doesn't tell."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_bytes().splitlines():
            if line.startswith(b"oom_kill "):
                return int(line.split()[1])
    return 0


def _prepare_worker(output: int, task: Task) -> None:
    """Between fork and the oracle: a group of its own, its standard streams, its limits."""
    processes.die_with_parent()
    os.setsid()
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # no terminal's; a KeyboardInterrupt is of the oracle's own making
    os.close(task.report)
    nothing = os.open(os.devnull, os.O_RDONLY)
    for source, target in ((nothing, 0), (output, 1), (output, 2)):
        os.dup2(source, target)
    for end in (nothing, output):
        os.close(end)
    with contextlib.suppress(OSError):  # if memory runs out, the oracle is to go, not the rank
        own = Path("/proc/self/oom_score_adj")
        own.write_text(str(max(_OOM_SCORE, int(own.read_text()))))
    if task.memory:
        # One leap between two looks at the memory: what is asked for at once fails in the process that asks.
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = int(2 * task.memory * _GB)
        wanted = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (wanted, wanted))


def main(argument: str) -> int:
    """Body of the guard, and in its fork that of the worker."""
    task = Task(**json.loads(argument))
    processes.become_subreaper()
    output, printed = os.pipe()
    worker = os.fork()
    if worker == 0:
        os.close(output)
        _prepare_worker(printed, task)
        from pal_core.runtime.oracle_process import work

        return work(task.read, task.write, task.index, task.seed, Path(task.scratch))
    for end in (task.read, task.write, printed):
        os.close(end)
    report = Guard(worker, output, task).run()
    with contextlib.suppress(BrokenPipeError):
        os.write(task.report, json.dumps(asdict(report)).encode())
    os._exit(0)  # the host waits for this; there is nothing to clean up


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
