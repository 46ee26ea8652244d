"""The process in which an isolated oracle runs, and its handle in the host.

The two talk over a pair of pipes in the wire format, each message after its length (uint64, little-endian). The child
starts with a scrubbed environment in a process group of its own; its output goes to the oracle's log file.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import select
import signal
import subprocess
import sys
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path

from pal_core import messages as m
from pal_core.kernels import Context
from pal_core.runtime.labelling import Labeller
from pal_core.settings.load import Loaded
from pal_core.transport.wire import Wire

__all__ = ["SCRUBBED", "Child", "main", "scrubbed"]

SCRUBBED = ("OMPI_", "PMIX_", "PMI_", "PRTE_", "MPIEXEC_", "MPICH_", "HYDRA_", "HYDI_", "I_MPI_", "MV2_", "PAL_")
"""Beginnings of variables that an oracle's process doesn't get, so that it can start an MPI program of its own."""
_SLURM_STEP = ("SLURM_PROCID", "SLURM_LOCALID", "SLURM_NODEID", "SLURM_STEP", "SLURM_GTIDS", "SLURM_TASK_PID")
_HEADER = 8
_CHUNK = 1 << 20
_PR_SET_PDEATHSIG = 1
_TAIL = 3000
_DYING_LIMIT = 1.0
_REAP_LIMIT = 5.0
_LOG_LIMIT = 10_000_000
_GRACE = 4.0  # longer than the host gives an oracle to close


def scrubbed(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without variables by which MPI programs find their world."""
    return {k: v for k, v in environment.items() if not k.startswith((*SCRUBBED, *_SLURM_STEP))}


def oracle_wire(loaded: Loaded) -> Wire:
    """Wire format between host and child."""
    assert loaded.label_schema is not None  # noqa: S101 - there is an oracle
    return Wire([loaded.sample_schema, loaded.label_schema])


class Child:
    """A running oracle process, seen from its host. Nothing here blocks.

    Parameters
    ----------
    loaded : Loaded
    context : Context
        Its `directory` is the scratch directory.
    log : Path
        File that the child's output is appended to.
    """

    def __init__(self, loaded: Loaded, context: Context, log: Path) -> None:
        self._wire = oracle_wire(loaded)
        self._log = log
        self._in = bytearray()
        self._out = bytearray()
        self.hung_up = False
        log.parent.mkdir(parents=True, exist_ok=True)
        read, child_write = _pipe()
        child_read, write = _pipe()
        setup = [str(child_read), str(child_write), str(context.index), str(context.seed), str(context.directory)]
        self.read_end, self._write_end = read, write
        try:
            with log.open("ab") as output:
                self._log_start = output.tell()
                self._process = subprocess.Popen(  # noqa: S603 - our own module, no shell
                    [sys.executable, "-m", "pal_core.runtime.child", *setup],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    pass_fds=(child_read, child_write),
                    env=scrubbed(os.environ),
                    start_new_session=True,
                )
        except OSError:
            self._close()
            raise
        finally:
            os.close(child_read)
            os.close(child_write)
        os.set_blocking(read, False)
        os.set_blocking(write, False)
        self._frame(loaded.to_json().encode())

    def _frame(self, data: bytes | memoryview) -> None:
        self._out += len(data).to_bytes(_HEADER, "little")
        self._out += data
        self.push()

    def send(self, message: m.Message) -> None:
        """Queue a message for the child."""
        self._trim_log()
        self._frame(self._wire.encode("child", "host", message))

    def _trim_log(self) -> None:
        """Begin the log anew when it has grown long: a run may make a million labels, and oracles talk."""
        with contextlib.suppress(FileNotFoundError):
            if self._log.stat().st_size > _LOG_LIMIT:
                os.truncate(self._log, 0)
                self._log_start = 0

    def push(self) -> None:
        """Write what the pipe takes."""
        with contextlib.suppress(BlockingIOError, BrokenPipeError):
            while self._out:
                del self._out[: os.write(self._write_end, self._out[:_CHUNK])]

    def messages(self) -> Iterable[m.Message]:
        """What the child has sent so far."""
        self.push()
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self.read_end, _CHUNK):
                self._in += data
            self.hung_up = True
        while len(self._in) >= _HEADER:
            end = _HEADER + int.from_bytes(self._in[:_HEADER], "little")
            if len(self._in) < end:
                return
            frame = self._in[_HEADER:end]
            del self._in[:end]
            yield self._wire.decode(frame)[2]

    def ended(self) -> str | None:
        """How the process ended, in words, or None while it runs."""
        code = self._process.poll()
        if code is None and self.hung_up:
            # It has closed its pipe, so it is dying: given another label now, it would cost that one an attempt.
            with contextlib.suppress(subprocess.TimeoutExpired):
                code = self._process.wait(_DYING_LIMIT)
        if code is None:
            return "a closed pipe" if self.hung_up else None
        if code < 0:
            with contextlib.suppress(ValueError):
                return f"signal {-code} ({signal.Signals(-code).name})"
        return f"exit code {code}"

    def last_output(self) -> str:
        """The end of what this child has printed; nothing if somebody has removed the file."""
        try:
            with self._log.open("rb") as file:
                size = file.seek(0, os.SEEK_END)
                file.seek(max(self._log_start, size - _TAIL))
                return file.read().decode(errors="replace")
        except FileNotFoundError:
            return ""

    def finish(self, patience: float) -> None:
        """Let the idle oracle close, for so many seconds at most, then make sure that nothing is left of it."""
        os.close(self._write_end)
        self._write_end = -1
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(patience)
        self.kill()

    def kill(self) -> None:
        """End the process and all that it has started in its group."""
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid, signal.SIGKILL)
        # A process that hangs in the kernel (a dead file server) can't be waited for.
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(_REAP_LIMIT)
        self._close()

    def _close(self) -> None:
        for end in (self.read_end, self._write_end):
            if end >= 0:
                os.close(end)


def _pipe() -> tuple[int, int]:
    """A pipe that holds much at a time, where that can be asked for: a sleeping host refills it only now and then."""
    ends = os.pipe()
    with contextlib.suppress(OSError, AttributeError):
        fcntl.fcntl(ends[1], fcntl.F_SETPIPE_SZ, _CHUNK)
    return ends


def main(arguments: list[str]) -> int:
    """Body of the child: build the oracle, then label until the pipe closes."""
    read, write = (open(int(fd), mode, buffering=0) for fd, mode in zip(arguments[:2], ("rb", "wb"), strict=True))  # noqa: PTH123, SIM115
    for end in (read, write):
        os.set_inheritable(end.fileno(), False)  # programs that the oracle starts would keep the pipes open
    _die_with_parent()
    _post_guard(read.fileno(), write.fileno())
    loaded = Loaded.from_json(_read_frame(read).decode())
    wire = oracle_wire(loaded)
    scratch = Path(arguments[4])
    notes: list[m.Message] = []
    context = Context(
        role="oracle",
        index=int(arguments[2]),
        seed=int(arguments[3]),
        directory=scratch,
        note=lambda text: notes.append(m.Note(f"oracle {arguments[2]}", text)),
    )

    def send(message: m.Message) -> None:
        for item in (*notes, message):
            data = wire.encode("host", "child", item)
            _write_all(write, len(data).to_bytes(_HEADER, "little"))
            _write_all(write, data)
        notes.clear()

    assert loaded.oracle is not None  # noqa: S101 - only then is there a child
    assert loaded.label_schema is not None  # noqa: S101
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        os.chdir(scratch)
        labeller = Labeller(loaded.oracle.load()(loaded.oracle.options, context), loaded.label_schema, scratch)  # type: ignore[arg-type]
        send(m.Ready())
        while frame := _read_frame(read):
            message = wire.decode(frame)[2]
            send(labeller.label(message) if isinstance(message, m.Label) else labeller.inspect(message))  # type: ignore[arg-type]
    except Exception as error:  # of its constructor or of `inspect`; what `label` raises is an answer
        what = f"{type(error).__name__}: {error}"
        send(m.Broken(loaded.oracle.spec.name, "oracle", what, traceback.format_exc()))
        return 1
    labeller.oracle.close()
    return 0


def _die_with_parent() -> None:
    """Ask Linux to kill this process when its host dies; elsewhere the closed pipe ends it after its label."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _post_guard(read: int, write: int) -> None:
    """Fork a process that ends the whole group when the host has died: what the oracle has started would go on.

    It sees the host's end of the pipe close. The grace is for an orderly end, at which the host closes it too.
    """
    if os.fork():
        return
    os.close(write)
    poll = select.poll()
    poll.register(read, 0)
    poll.poll()
    time.sleep(_GRACE)
    os.killpg(0, signal.SIGKILL)


def _read_frame(file: object) -> bytes:
    header = _read_all(file, _HEADER)
    return _read_all(file, int.from_bytes(header, "little")) if header else b""


def _read_all(file: object, count: int) -> bytes:
    parts = []
    while count:
        data = file.read(min(count, _CHUNK))  # type: ignore[attr-defined]
        if not data:
            return b""
        parts.append(data)
        count -= len(data)
    return b"".join(parts)


def _write_all(file: object, data: bytes | memoryview) -> None:
    view = memoryview(data)
    while view:
        view = view[file.write(view) :]  # type: ignore[attr-defined]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
