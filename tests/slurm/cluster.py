"""A real Slurm of two nodes on this machine: munge, a controller and two node daemons, in a temporary folder.

Both nodes are this machine, under two ports and, in name spaces of their own, two host names. Daemons run in the
foreground as children of the test, so that they are ended by their process numbers.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

NODES = ("n1", "n2")
PROGRAMS = ("unshare", "munged", "slurmctld", "slurmd", "sbatch", "scontrol", "squeue")
CPUS = 8
_CREDENTIAL = 5  # seconds
CONFIG = """
ClusterName=trial
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={port}
AuthType=auth/munge
AuthInfo=socket={folder}/munge.sock
CryptoType=crypto/munge
SlurmUser=root
SlurmdUser=root
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool.%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SwitchType=switch/none
MpiDefault=none
SlurmdParameters=config_overrides
ReturnToService=2
JobRequeue=1
SlurmdTimeout=6
KillWait=20
MinJobAge=600
SchedulerParameters=sched_min_interval=500000,bf_interval=1
NodeName=n1 NodeHostname=n1 NodeAddr=127.0.0.1 Port={port1} CPUs={cpus} State=UNKNOWN
NodeName=n2 NodeHostname=n2 NodeAddr=127.0.0.1 Port={port2} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes=n1,n2 Default=YES MaxTime=60 State=UP
"""


def missing() -> str:
    """What keeps a cluster from being brought up here; an empty text if nothing does."""
    if os.geteuid():
        return "Slurm's daemons want to be started by root"
    absent = [p for p in PROGRAMS if shutil.which(p) is None]
    return f"not installed: {', '.join(absent)} (Debian: slurm-wlm, munge)" if absent else ""


def _ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [s.getsockname()[1] for s in sockets]
    for s in sockets:
        s.close()
    return ports


def until(what: str, true: Callable[[], object], limit: float) -> None:
    """Wait until something is so."""
    end = time.monotonic() + limit
    while not true():
        if time.monotonic() > end:
            raise AssertionError(f"{what}: not so within {limit:g} s")
        time.sleep(0.2)


NODE = """
set -e
hostname {name}
mount --bind {folder}/hosts /etc/hosts
exec slurmd -D -N {name}
"""


class Cluster:
    """The daemons and the programs that talk to them.

    Parameters
    ----------
    folder : Path
        Short: sockets have paths of 107 bytes at most.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._daemons: dict[str, subprocess.Popen[bytes]] = {}
        port, port1, port2 = _ports(3)
        config = folder / "slurm.conf"
        host = socket.gethostname().partition(".")[0]
        names = {"folder": folder, "host": host, "port": port, "port1": port1, "port2": port2, "cpus": CPUS}
        config.write_text(CONFIG.format(**names))
        (folder / "hosts").write_text(f"127.0.0.1 localhost {host} {' '.join(NODES)}\n")
        (folder / "state").mkdir()
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("SLURM", "PAL_"))},
            "SLURM_CONF": str(config),
        }

    def start(self) -> None:
        """Start all daemons and wait until both nodes are free."""
        key = self.folder / "munge.key"
        key.write_bytes(secrets.token_bytes(128))
        key.chmod(0o400)
        files = [f"--{k}-file={self.folder}/munge.{k}" for k in ("key", "pid", "log", "seed")]
        self._daemon("munged", "--foreground", "--force", f"--socket={self.folder}/munge.sock", *files)
        until("munge's socket", (self.folder / "munge.sock").exists, 10)
        self._daemon("slurmctld", "-D", "-i")
        for node in NODES:
            self.start_node(node)
        until("both nodes idle", lambda: self.states() == ["idle", "idle"], 40)

    def start_node(self, name: str) -> None:
        """Start the daemon of a node."""
        script = NODE.format(name=name, folder=self.folder)
        self._daemon(name, "--uts", "--mount", "sh", "-c", script, program="unshare")

    def _daemon(self, name: str, *arguments: str, program: str = "") -> None:
        with (self.folder / f"{name}.out").open("ab") as output:
            self._daemons[name] = subprocess.Popen(
                [program or name, *arguments], stdout=output, stderr=output, env=self.environment
            )

    def ask(self, *command: str) -> str:
        """Output of one of Slurm's programs."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, timeout=30, check=False)
        return done.stdout

    def states(self) -> list[str]:
        """State of each node: idle, mixed, down, with marks for what Slurm knows of it."""
        found = [re.search(r"\bState=(\S+)", self.ask("scontrol", "show", "node", "-o", n)) for n in NODES]
        return [m[1].lower() if m else "?" for m in found]

    def submit(self, script: Path) -> str:
        """Queue a job; its number."""
        done = subprocess.run(
            ["sbatch", "--parsable", str(script)], env=self.environment, cwd=script.parent,
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def job(self, number: str) -> dict[str, str]:
        """What Slurm says of a job."""
        return dict(p.partition("=")[::2] for p in self.ask("scontrol", "show", "job", "-o", number).split())

    def hasten(self, number: str) -> None:
        """Let a requeued job start soon: Slurm holds it back for two minutes.

        Not at once: the nodes still take its credential for that of the job before.
        """
        job = self.job(number)
        start = time.mktime(time.strptime(job["StartTime"], "%Y-%m-%dT%H:%M:%S")) if "T" in job["StartTime"] else 0.0
        if job["JobState"] == "PENDING" and start > time.time() + 2 * _CREDENTIAL:
            self.ask("scontrol", "update", f"JobId={number}", f"StartTime=now+{_CREDENTIAL}")

    def kill_node(self, name: str) -> list[int]:
        """Kill -9 a node's daemon and all that it has started, as a power cut would; the processes' numbers."""
        doomed = _family(self._daemons[name].pid) | _steps(name)
        for pid in doomed:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self._daemons.pop(name).wait(10)
        return sorted(doomed)

    def stop(self) -> None:
        """End jobs and daemons."""
        self.ask("scancel", "--user=root", "--full")
        with contextlib.suppress(AssertionError):
            until("no job left", lambda: not self.ask("squeue", "-h").strip(), 30)
        for name in reversed(list(self._daemons)):
            daemon = self._daemons[name]
            daemon.terminate()
            try:
                daemon.wait(10)
            except subprocess.TimeoutExpired:
                for pid in _family(daemon.pid):
                    os.kill(pid, signal.SIGKILL)
                daemon.wait(10)


def _parents() -> dict[int, int]:
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                found[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    return found


def _family(pid: int) -> set[int]:
    parents, family = _parents(), {pid}
    while more := {p for p, parent in parents.items() if parent in family} - family:
        family |= more
    return family


def _steps(name: str) -> set[int]:
    """Step daemons of a node, known by what they have started, with all their descendants."""
    mark, found = f"SLURMD_NODENAME={name}".encode(), set[int]()
    parents = _parents()
    for pid, parent in parents.items():
        with contextlib.suppress(OSError):
            inherited = mark in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
            if inherited and Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"slurmstepd"):
                found |= _family(parent)
    return found


@contextlib.contextmanager
def cluster(folder: Path) -> Iterator[Cluster]:
    """A running cluster."""
    made = Cluster(folder)
    try:
        made.start()
        yield made
    finally:
        made.stop()
