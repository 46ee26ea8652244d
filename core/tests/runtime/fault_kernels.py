"""An oracle with which everything goes wrong that can. Importing this is harmless."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

import numpy as np

from pal_core.builtin.oracle import ToyOracle
from pal_core.kernels import Label, OracleFailure, Sample

FAULTS = (
    "segfault",
    "flood",
    "memory",
    "memory of a program",
    "one large array",
    "scratch",
    "full disk",
    "orphan",
    "orphan and hang",
    "stubborn",
    "exit",
    "nonsense",
    "huge frame",
    "wrong answer",
    "closed pipe",
    "killed guard",
    "out of files",
    "leaves traces",
    "fork that returns",
    "leaves a child",
    "streams",
    "world",
    "no scratch",
    "locked scratch",
    "system exit",
    "interrupt",
    "threads",
    "not finite",
)
"""What can go wrong with a label; the first coordinate of a sample names one by 10 + its place."""

HOG = "import time; held = [b'x' * 10_000_000 for _ in range(30)]; time.sleep(1000)"
DAEMON = """
import os, sys, time
if os.fork(): os._exit(0)
os.setsid()
if os.fork(): os._exit(0)
open(sys.argv[1], "w").write(str(os.getpid()))
time.sleep(1000)
"""


def pipes() -> list[int]:
    """Open pipes that are no standard streams."""
    found = []
    for fd in range(3, 64):
        with contextlib.suppress(OSError):
            if os.readlink(f"/proc/self/fd/{fd}").startswith("pipe:"):  # noqa: PTH115
                found.append(fd)
    return found


def write_to_pipes(data: bytes) -> None:
    for fd in pipes():
        with contextlib.suppress(OSError):
            os.write(fd, data)


class FaultOracle(ToyOracle):
    """Fails in the way that its sample names."""

    def label(self, sample: Sample) -> Label:
        place = int(sample["x"][0]) - 10
        if place >= 0:
            answer = getattr(self, "_" + FAULTS[place].replace(" ", "_"))()
            if answer is not None:
                return answer
        return super().label(sample)

    @property
    def inside(self) -> Path:
        return self.context.directory

    @property
    def outside(self) -> Path:
        return self.inside.parent

    def _segfault(self) -> None:
        (self.inside / "input").write_text("what it was made from")
        print("the last line")
        ctypes.string_at(0)

    def _flood(self) -> None:
        block = b"x" * 999 + b"\n"
        os.write(1, b"the first line\n")
        for _ in range(1000):
            os.write(1, 1000 * block)
        os.write(2, b"the last line\n")
        raise ZeroDivisionError

    def _memory(self) -> None:
        held = []
        for _ in range(1000):
            held.append(b"x" * 5_000_000)
            time.sleep(0.002)

    def _memory_of_a_program(self) -> None:
        other = subprocess.Popen([sys.executable, "-c", HOG])
        (self.outside / "other").write_text(str(other.pid))
        other.wait()

    def _one_large_array(self) -> None:
        np.ones(10**12)

    def _scratch(self) -> None:
        with (self.inside / "large").open("wb") as file:
            for _ in range(100):
                file.write(bytes(10_000_000))
                file.flush()
        time.sleep(10)

    def _full_disk(self) -> None:
        with Path("/dev/full").open("wb", buffering=0) as file:
            file.write(b"x")

    def _orphan(self) -> None:
        file = self.outside / "other"
        file.unlink(missing_ok=True)
        subprocess.run([sys.executable, "-c", DAEMON, str(file)], check=True)
        while not (file.exists() and file.read_text()):
            time.sleep(0.01)

    def _orphan_and_hang(self) -> None:
        self._orphan()
        time.sleep(1000)

    def _stubborn(self) -> None:
        code = "import signal, time; signal.signal(15, signal.SIG_IGN); print('ready', flush=True); time.sleep(1000)"
        other = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
        other.stdout.readline()
        (self.outside / "other").write_text(str(other.pid))
        restart = str(self.outside / "restart")
        write = f"open({restart!r}, 'w').write('half done'); raise SystemExit"
        code = f"import signal, time\ndef write(*_): {write}\nsignal.signal(15, write)\nprint('ready', flush=True)"
        other = subprocess.Popen([sys.executable, "-c", f"{code}\ntime.sleep(1000)"], stdout=subprocess.PIPE)
        other.stdout.readline()
        time.sleep(1000)

    def _exit(self) -> None:
        os._exit(0)

    def _nonsense(self) -> None:
        write_to_pipes(b"nonsense" * 10)
        os._exit(0)

    def _huge_frame(self) -> None:
        write_to_pipes((1 << 60).to_bytes(8, "little") + b"PAL1")
        time.sleep(1000)

    def _wrong_answer(self) -> None:
        header = b'["LabelFailed","host","child",[77,1,"crashed","","",0.0]]'
        frame = b"PAL1" + len(header).to_bytes(4, "little") + header
        frame += bytes(-len(frame) % 8)
        write_to_pipes(len(frame).to_bytes(8, "little") + frame)

    def _closed_pipe(self) -> None:
        os.closerange(3, 64)
        time.sleep(1000)

    def _killed_guard(self) -> None:
        os.kill(os.getppid(), signal.SIGKILL)
        time.sleep(1000)

    def _out_of_files(self) -> None:
        resource.setrlimit(resource.RLIMIT_NOFILE, (256, 256))
        self.held = []
        while True:
            self.held.append(tempfile.TemporaryFile())  # noqa: SIM115 - never closed

    def _leaves_traces(self) -> None:
        (self.inside / "small").write_text("kept")
        (self.inside / "large").write_bytes(bytes(2_000_000))
        os.mkfifo(self.inside / "fifo")
        raise OracleFailure("unconverged", "look into the files")

    def _fork_that_returns(self) -> None:
        os.fork()

    def _leaves_a_child(self) -> None:
        other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"])
        (self.outside / "other").write_text(str(other.pid))
        self.child = other

    def _streams(self) -> None:
        sys.stdout.close()
        sys.stderr = None
        for fd in range(3):
            os.close(fd)
        os.open("/dev/null", os.O_RDONLY)

    def _world(self) -> None:
        os.chdir("/")
        os.umask(0o777)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, signal.SIGALRM):
            signal.signal(number, signal.SIG_IGN)
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        signal.setitimer(signal.ITIMER_PROF, 0.05)

    def _no_scratch(self) -> None:
        self.inside.rmdir()
        self.inside.symlink_to(self.outside)

    def _locked_scratch(self) -> None:
        (self.inside / "folder/inner").mkdir(parents=True)
        (self.inside / "folder/inner/file").touch()
        (self.inside / "folder").chmod(0)
        self.inside.chmod(0)

    def _system_exit(self) -> None:
        raise SystemExit(0)

    def _interrupt(self) -> None:
        raise KeyboardInterrupt

    def _threads(self) -> None:
        for _ in range(20):
            threading.Thread(target=time.sleep, args=(1000,)).start()

    def _not_finite(self) -> Label:
        return {"energy": np.array(np.nan), "gradient": np.array([np.inf, 0.0])}
