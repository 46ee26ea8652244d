"""An oracle's process and its guard, as their host sees them.

Host and oracle talk over a pair of pipes in the wire format, each message after its length (uint64, little-endian).
The guard (`pal_core.runtime.guard`) stands between them as a process, not as a reader.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import subprocess
import sys
from collections.abc import Collection, Iterator
from dataclasses import asdict
from pathlib import Path

from pal_core import messages as m
from pal_core.kernels import Context
from pal_core.runtime import processes
from pal_core.runtime.environment import scrubbed
from pal_core.runtime.guard import Report, Task
from pal_core.runtime.oracle_process import CHUNK, HEADER, oracle_wire
from pal_core.settings.load import Loaded
from pal_core.transport.wire import MAGIC, WireError

__all__ = ["Child", "Garbled"]

_FRAME_LIMIT = 1 << 32
"""Bytes. One label is smaller."""
_TURN_LIMIT = 64 * CHUNK
"""Bytes read at once, so that a child that never stops writing can't keep the host from everything else."""
_KILL_LIMIT = 2.0
_END_LIMIT = 5.0
_TAIL = 4000
_ANSWERS = (m.Ready, m.Broken, m.Note, m.Labelled, m.LabelFailed, m.Inspected, m.Halted)


class Garbled(Exception):
    """What has come through the pipe is no answer of an oracle's process."""


class Child:
    """A running oracle process, seen from its host. Nothing but `finish` and `kill` waits.

    Parameters
    ----------
    loaded : Loaded
    context : Context
        Its `directory` is the scratch directory.
    log : Path
        File that the child's output is appended to.

    Raises
    ------
    OSError
        If no process can be started.
    """

    def __init__(self, loaded: Loaded, context: Context, log: Path) -> None:
        self._wire = oracle_wire(loaded)
        self._log = log
        self._in, self._out, self._said = bytearray(), bytearray(), bytearray()
        self.hung_up = False
        """Whether the process has closed its pipe: nothing more will come."""
        self.leaving = False
        """Whether it has said that it takes no further task."""
        assert loaded.settings.oracle is not None  # noqa: S101 - there is an oracle
        ends: list[int] = []
        try:
            for make in (_pipe, _pipe, os.pipe):
                ends += make()
            self._read_end, child_write, child_read, self._write_end, self._report_end, child_report = ends
            mine = (self._read_end, self._write_end, self._report_end)
            task = Task(
                host=os.getpid(),
                read=child_read,
                write=child_write,
                report=child_report,
                log=str(log),
                scratch=str(context.directory),
                index=context.index,
                seed=context.seed,
                memory=loaded.settings.oracle.memory,
                scratch_limit=loaded.settings.oracle.scratch,
            )
            self._process = _start(task, loaded.settings.oracle.environment)
        except OSError:
            for end in ends:
                os.close(end)
            raise
        for end in ends:
            if end in mine:
                os.set_blocking(end, False)
            else:
                os.close(end)
        self._frame(loaded.to_json().encode())

    @property
    def pid(self) -> int:
        """Process id of the guard; the oracle's process is its child."""
        return self._process.pid

    def files(self) -> list[int]:
        """Pipes through which an answer or the news of its end may come."""
        return [self._report_end] if self.hung_up else [self._read_end, self._report_end]

    def _frame(self, data: bytes | memoryview) -> None:
        self._out += len(data).to_bytes(HEADER, "little")
        self._out += data
        self.push()

    def send(self, message: m.Message) -> None:
        """Queue a message for the child."""
        self._frame(self._wire.encode("child", "host", message))

    def push(self) -> None:
        """Write what the pipe takes."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._out:
                del self._out[: os.write(self._write_end, self._out[:CHUNK])]

    def messages(self) -> Iterator[m.Message]:
        """What the child has sent so far.

        Raises
        ------
        Garbled
            If it has sent something else; nothing can be read after that.
        """
        self.push()
        if not self.hung_up:
            self._receive()
        while len(self._in) >= HEADER:
            size = int.from_bytes(self._in[:HEADER], "little")
            start = bytes(self._in[HEADER : HEADER + len(MAGIC)])
            if size > _FRAME_LIMIT or not MAGIC.startswith(start):
                raise Garbled(f"bytes that are no message: {bytes(self._in[:40])!r}")
            if len(self._in) < HEADER + size:
                return
            frame = self._in[HEADER : HEADER + size]
            del self._in[: HEADER + size]
            yield self._decode(frame)

    def _receive(self) -> None:
        taken = 0
        with contextlib.suppress(BlockingIOError):
            while taken < _TURN_LIMIT:
                data = os.read(self._read_end, CHUNK)
                if not data:
                    self.hung_up = True
                    return
                self._in += data
                taken += len(data)

    def _decode(self, frame: bytearray) -> m.Message:
        try:
            message = self._wire.decode(frame)[2]
        except WireError as error:
            raise Garbled(str(error)) from error
        if not isinstance(message, _ANSWERS):
            raise Garbled(f"a message {type(message).__name__}")
        return message

    def report(self) -> Report | None:
        """How everything has ended, None while anything runs; what the child has sent before is in the pipe by then."""
        ended = False
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._report_end, CHUNK):
                self._said += data
            ended = True
        if not ended:
            return None
        with contextlib.suppress(ValueError, TypeError):
            return Report(**json.loads(self._said))
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_KILL_LIMIT)
        return Report(f"the end of its guard (exit code {self._process.returncode})", self._end_of_log())

    def _end_of_log(self) -> str:
        with contextlib.suppress(OSError), self._log.open("rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - _TAIL))
            return file.read().decode(errors="replace")
        return ""

    def terminate(self) -> None:
        """Ask for the end of all processes, with a little grace; `report` tells when they have ended."""
        self._tell(b"t")

    def _tell(self, letter: bytes) -> None:
        assert self._process.stdin is not None  # noqa: S101 - a pipe
        with contextlib.suppress(OSError):
            os.write(self._process.stdin.fileno(), letter)

    def finish(self, patience: float) -> None:
        """Let the idle oracle close, for so many seconds at most, then make sure that nothing is left of it."""
        os.close(self._write_end)
        self._write_end = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it has started; at once, unless the guard is lost too."""
        if self._process.poll() is None:
            self._tell(b"k")
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_KILL_LIMIT)
        if self._process.poll() is None:
            processes.end_all(lambda: processes.descendants(self.pid), _END_LIMIT)
            processes.send([self.pid], signal.SIGKILL)
            # A process that hangs in the kernel (a dead file server) can't be waited for.
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_END_LIMIT)
        self._close()

    def _close(self) -> None:
        for end in (self._read_end, self._write_end, self._report_end):
            if end >= 0:
                os.close(end)
        self._read_end = self._write_end = self._report_end = -1
        if self._process.stdin is not None:
            self._process.stdin.close()


def _start(task: Task, wanted: Collection[str]) -> subprocess.Popen[bytes]:
    with contextlib.ExitStack() as stack:
        output = subprocess.DEVNULL
        with contextlib.suppress(OSError):  # a full disk; what the oracle prints goes through the guard's memory
            Path(task.log).parent.mkdir(parents=True, exist_ok=True)
            output = stack.enter_context(Path(task.log).open("ab")).fileno()
        return subprocess.Popen(  # noqa: S603 - our own module, no shell
            [sys.executable, "-m", "pal_core.runtime.guard", json.dumps(asdict(task))],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            pass_fds=(task.read, task.write, task.report),
            env=scrubbed(os.environ, wanted),
            start_new_session=True,
            bufsize=0,
        )


def _pipe() -> tuple[int, int]:
    """A pipe that holds much at a time, where that can be asked for: a sleeping host refills it only now and then."""
    ends = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, CHUNK)
    return ends
