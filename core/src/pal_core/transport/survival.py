"""How a run survives the death of ranks: mpiexec's options, and the end of ranks that hang.

Nothing here imports mpi4py, so that a launcher can ask before any rank exists.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
from collections.abc import Mapping
from pathlib import Path

__all__ = ["can_survive", "end_process", "process_identity", "survival_options", "survives"]

_PERIOD = 0.3
_TIMEOUT = 1.5
"""Seconds between heartbeats, and without any until a rank counts as dead; Open MPI wants more than three periods."""
_ENABLED = "OMPI_MCA_mpi_ft_enable"
_TRUE = ("1", "true", "t", "yes", "y", "enabled")
_START_TIME = 19
"""Position in /proc/PID/stat, counted after the name."""


def can_survive(version: str) -> bool:
    """Whether an mpiexec that says this of its version knows `survival_options`: Open MPI from 5.0 on."""
    found = re.search(r"\(Open ?MPI\) (\d+)|Open MPI v?(\d+)", version)
    return found is not None and int(found[1] or found[2]) >= 5


def survival_options() -> list[str]:
    """Options of Open MPI's mpiexec with which a run outlives its ranks (ULFM).

    Heartbeats come from a thread of the MPI library, so that a rank may compute for as long as it likes.
    """
    detector = {"": 1, "_thread": 1, "_period": _PERIOD, "_timeout": _TIMEOUT}
    options = ["--with-ft", "ulfm"]
    for name, value in detector.items():
        options += ["--mca", f"mpi_ft_detector{name}", f"{value:g}"]
    return options


def survives(environment: Mapping[str, str]) -> bool:
    """Whether a rank with this environment was started so that others outlive it."""
    return environment.get(_ENABLED, "").lower() in _TRUE


def process_identity() -> str:
    """What tells this process from all others, also later ones of the same number; empty where that is unknown."""
    try:
        space = str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""
    return f"{os.getpid()} {_start(os.getpid())} {space}"


def end_process(identity: str) -> bool:
    """Kill the process of that identity, if there still is one and it is of this node; True if it was killed.

    A rank that hung long enough to be given up must not wake and talk on.
    """
    with contextlib.suppress(OSError, ValueError, IndexError, AttributeError):
        number, start, space = identity.split(maxsplit=2)
        # An open descriptor stays with its process, so what is compared is what is killed.
        process = os.pidfd_open(int(number))
        try:
            if space == str(Path("/proc/self/ns/pid").readlink()) and start == _start(int(number)):
                signal.pidfd_send_signal(process, signal.SIGKILL)
                return True
        finally:
            os.close(process)
    return False


def _start(number: int) -> str:
    """When a process began, in the kernel's ticks since it booted."""
    return Path(f"/proc/{number}/stat").read_text().rsplit(")", 1)[1].split()[_START_TIME]
