"""Processes of this machine as /proc shows them: descendants, their memory, their end.

Where there is no /proc, nothing is found; whoever kills then has process groups only. Imports little more than the
standard library: the guard of an oracle's process is to stay small.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path

from pal_core.proc import PARENT, START, process_fields

__all__ = [
    "Identity",
    "become_subreaper",
    "children",
    "descendants",
    "die_with_parent",
    "end_all",
    "identities",
    "memory",
    "send",
]

Identity = tuple[int, int]
"""A process: its id, and the kernel's clock at its start, since ids are used again."""

_SHORTEST = 0.001
"""Seconds between two looks at processes that are being killed; doubled from look to look."""
_LONGEST = 0.05
_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_PAGE = os.sysconf("SC_PAGE_SIZE")
_PROC = Path("/proc")


def _prctl(option: int, value: int) -> None:
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def become_subreaper() -> None:
    """Ask Linux to make orphaned descendants children of this process, however often they have forked."""
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies."""
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def children(pid: int, thread: int | None = None) -> list[int]:
    """Children of a process, zombies too; each belongs to the thread that has started it, if one is named."""
    found: list[int] = []
    try:
        threads = [str(thread)] if thread else os.listdir(f"/proc/{pid}/task")  # noqa: PTH208 - after every label
    except (FileNotFoundError, ProcessLookupError):
        return found
    for name in threads:
        try:
            with open(f"/proc/{pid}/task/{name}/children", "rb") as file:  # noqa: PTH123
                found += map(int, file.read().split())
        except (FileNotFoundError, ProcessLookupError):
            if not _has_lists():
                return _children_by_search(pid)
    return found


def _has_lists() -> bool:
    me = os.getpid()
    return Path(f"/proc/{me}/task/{me}/children").exists()


def _children_by_search(pid: int) -> list[int]:
    return [p for p in map(int, filter(str.isdigit, os.listdir(_PROC))) if (_stat(p) or (0, 0))[0] == pid]  # noqa: PTH208


def _stat(pid: int) -> tuple[int, int] | None:
    """Parent and start time of a process, None if there is none."""
    try:
        fields = process_fields(pid)
    except (ProcessLookupError, FileNotFoundError):
        return None
    return int(fields[PARENT]), int(fields[START])


def descendants(pid: int, spared: Collection[Identity] = (), thread: int | None = None) -> list[int]:
    """Children of a process (or of one of its threads), theirs, and so on; not `spared` ones, nor theirs."""
    found, todo = [], children(pid, thread)
    while todo:
        child = todo.pop()
        if not (spared and identities([child]) & set(spared)):
            found.append(child)
            todo += children(child)
    return found


def identities(pids: Iterable[int]) -> set[Identity]:
    """The processes of these ids that are there."""
    return {(pid, stat[1]) for pid in pids if (stat := _stat(pid)) is not None}


def memory(pids: Iterable[int], limit: int) -> int:
    """Bytes of memory that processes hold together.

    Resident memory; where that sum is above `limit`, what they share is counted once, by their proportional set
    sizes. Those cost the kernel a walk over all pages, so they are asked for only where it matters.
    """
    pids = list(pids)
    total = sum(map(_resident, pids))
    return total if total <= limit else sum(map(_proportional, pids))


def _resident(pid: int) -> int:
    try:
        return int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError):
        return 0


def _proportional(pid: int) -> int:
    try:
        text = Path(f"/proc/{pid}/smaps_rollup").read_bytes()
    except FileNotFoundError:
        return _resident(pid)  # an old kernel, or a process that has ended
    except OSError:
        return 0
    for line in text.splitlines():
        if line.startswith(b"Pss:"):
            return int(line.split()[1]) * 1024
    return 0


def send(pids: Iterable[int], number: int) -> None:
    """Send a signal to processes; to those that have ended, or belong to others, nothing."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, number)


def reap(pids: Iterable[int]) -> None:
    """Wait for those of `pids` that have ended and are this process's children."""
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)


def pauses(limit: float) -> Iterator[None]:
    """Sleep longer and longer between two looks, `limit` seconds in all."""
    end, pause = time.monotonic() + limit, _SHORTEST
    while time.monotonic() < end:
        yield
        time.sleep(pause)
        pause = min(2 * pause, _LONGEST)


def end_all(find: Callable[[], list[int]], limit: float) -> None:
    """Kill what is found until nothing is any more; what is, after `limit` seconds, hangs in the kernel.

    It is looked for again and again, since a process that is being killed may just have started another.
    """
    for _ in pauses(limit):
        found = find()
        if not found:
            return
        send(found, signal.SIGKILL)
        reap(found)
