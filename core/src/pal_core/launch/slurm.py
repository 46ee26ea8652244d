"""What Slurm says of the job that `pal run` is in, and how a job is put into the queue again."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["Allocation", "allocation", "available_cores", "requeue"]

_LIMIT = 20.0
_COUNTS = re.compile(r"(\d+)(?:\(x(\d+)\))?")
_END = re.compile(r"\bEndTime=(\S+)")


@dataclass(frozen=True)
class Allocation:
    """A job's share of a cluster.

    Parameters
    ----------
    job : str
    nodes : int
    tasks : int or None
        Ranks that were asked for; None if only nodes or cores were.
    cores : int
        Over all nodes.
    """

    job: str
    nodes: int
    tasks: int | None
    cores: int

    @property
    def words(self) -> str:
        """In a few words."""
        nodes = f"{self.nodes} node" + ("s" if self.nodes > 1 else "")
        tasks = "" if self.tasks is None else f", {self.tasks} task" + ("s" if self.tasks > 1 else "")
        return f"Slurm job {self.job} ({nodes}{tasks}, {self.cores} cores)"

    def end(self, environment: Mapping[str, str]) -> float | None:
        """When the job is ended, in seconds since 1970; None if it has no limit or Slurm doesn't answer."""
        told = environment.get("SLURM_JOB_END_TIME", "")
        if told.isdigit():
            return float(told)
        found = _END.search(_ask("scontrol", "show", "job", "-o", self.job))
        try:
            return time.mktime(time.strptime(found[1], "%Y-%m-%dT%H:%M:%S")) if found else None
        except ValueError:  # "Unknown", for a job without a limit
            return None


def allocation(environment: Mapping[str, str]) -> Allocation | None:
    """The job that this process is in, if it is in one."""
    job = environment.get("SLURM_JOB_ID") or environment.get("SLURM_JOBID")
    if not job:
        return None
    tasks = environment.get("SLURM_NTASKS", "")
    per_node = environment.get("SLURM_JOB_CPUS_PER_NODE") or environment.get("SLURM_CPUS_ON_NODE") or ""
    return Allocation(
        job=job,
        nodes=int(environment.get("SLURM_JOB_NUM_NODES") or environment.get("SLURM_NNODES") or 1),
        tasks=int(tasks) if tasks.isdigit() else None,
        cores=_sum(per_node) or _own_cores(),
    )


def available_cores(found: Allocation | None) -> int:
    """Cores that this run may use: the job's, or those that this process may run on."""
    return _own_cores() if found is None else found.cores


def requeue(job: str) -> str | None:
    """Ask Slurm to end a job and put it into the queue again; what went wrong, or None."""
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [_program("scontrol"), "requeue", job], capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        return str(error)
    return (done.stderr.strip() or f"exit code {done.returncode}") if done.returncode else None


def _own_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _sum(counts: str) -> int:
    """Of ``8(x2),4``, Slurm's way to write 8, 8 and 4."""
    return sum(int(m[1]) * int(m[2] or 1) for m in _COUNTS.finditer(counts))


def _program(name: str) -> str:
    return shutil.which(name) or name


def _ask(*command: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - no shell
            [_program(command[0]), *command[1:]], capture_output=True, text=True, timeout=_LIMIT, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout
