"""What the kernel says of a process in ``/proc/PID/stat``, see proc_pid_stat(5).

Imports the standard library alone: the guard of an oracle's process and a rank before MPI use it.
"""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["PARENT", "START", "STATE", "is_alive", "number_space", "process_fields", "started_at"]

STATE, PARENT, START = 0, 1, 19
"""Positions among `process_fields`."""
_PROC = Path("/proc")
_DEAD = ("Z", "X")


def process_fields(pid: int) -> list[str]:
    """Fields from the state on; the name before them may hold anything, brackets and half characters too.

    Raises
    ------
    OSError
        If there is no such process, or no ``/proc``.
    """
    return (_PROC / str(pid) / "stat").read_bytes().rpartition(b")")[2].decode().split()


def started_at(pid: int) -> str:
    """Start of a process in ticks since the machine's start, or an empty text where that isn't to be had."""
    try:
        return process_fields(pid)[START]
    except (OSError, IndexError):
        return ""


def is_alive(pid: int, started: str = "") -> bool:
    """Whether a process of this machine lives; one that nobody has waited for yet doesn't.

    Parameters
    ----------
    pid : int
    started : str
        Its `started_at`, where known: numbers of processes are given again.
    """
    if _PROC.is_dir():
        try:
            fields = process_fields(pid)
        except OSError:
            return False
        return fields[STATE] not in _DEAD and (not started or fields[START] == started)
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def number_space() -> str:
    """Computer since its last start and set of process numbers: within it, a number means one process.

    Raises
    ------
    OSError
        Where there is no ``/proc``.
    """
    boot = (_PROC / "sys/kernel/random/boot_id").read_bytes().decode().strip()
    return f"{boot}/{(_PROC / 'self/ns/pid').stat().st_ino}"
