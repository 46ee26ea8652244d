"""How a run survives the death of ranks: mpiexec's options, and a watch over the processes of a node.

Nothing here imports mpi4py, so that a launcher can ask before any rank exists.
"""

from __future__ import annotations

import contextlib
import os
import signal
from collections.abc import Mapping

from pal_core.proc import START, STATE, number_space, process_fields

__all__ = ["Watch", "process_identity", "survival_options", "survives"]

_ENABLED = "OMPI_MCA_mpi_ft_enable"
_TRUE = ("1", "true", "t", "yes", "y", "enabled")
_STOPPED, _ENDED = "T", "ZX"
LOOK_INTERVAL = 0.2
STILL_TIME = 1.0
"""Seconds."""
STILL_LOOKS = 4


def survival_options() -> list[str]:
    """Options of Open MPI's mpiexec with which a run outlives its ranks (ULFM).

    Open MPI's own heartbeats stay off: their thread makes ranks crash or hang while MPI starts and ends.
    """
    return ["--with-ft", "ulfm"]


def survives(environment: Mapping[str, str]) -> bool:
    """Whether a rank with this environment was started so that others outlive it."""
    return environment.get(_ENABLED, "").lower() in _TRUE


def process_identity() -> str:
    """What tells this process from all others, also later ones of the same number; empty where that is unknown."""
    try:
        return f"{os.getpid()} {process_fields(os.getpid())[START]} {number_space()}"
    except OSError:
        return ""


class Watch:
    """Looks after processes of this node from outside: they need no time of their own for it, and can't be late.

    Parameters
    ----------
    identities : mapping of int to str
        `process_identity` by rank; those of other nodes, or unknown, are left out.
    """

    def __init__(self, identities: Mapping[int, str]) -> None:
        self._processes: dict[int, tuple[int, str]] = {}
        self._still: dict[int, tuple[float, int]] = {}
        self._looked = 0.0
        here = number_space() if any(identities.values()) else ""
        for rank, identity in identities.items():
            number, start, space = identity.split(maxsplit=2) if identity else ("0", "", "")
            if space and space == here:
                self._processes[rank] = int(number), start

    def look(self, now: float) -> list[int]:
        """Ranks whose process has ended, or has stood still at every look for `STILL_TIME` and for `STILL_LOOKS` looks.

        Looks are `LOOK_INTERVAL` apart at least; asked sooner, nothing is found. Time alone doesn't count: this process
        may have stood still as well, in a job that was suspended as a whole.
        """
        if now - self._looked < LOOK_INTERVAL:
            return []
        self._looked = now
        return [rank for rank in self._processes if self._is_lost(rank, now)]

    def forget(self, rank: int) -> None:
        """Watch a rank no more that is known to be lost, and kill it if it is still there: it must not wake again."""
        number, start = self._processes.pop(rank, (0, ""))
        if number:
            _kill(number, start)

    def _is_lost(self, rank: int, now: float) -> bool:
        number, start = self._processes[rank]
        try:
            fields = process_fields(number)
        except OSError:
            return True
        if fields[START] != start or fields[STATE] in _ENDED:
            return True
        if fields[STATE] != _STOPPED:
            self._still.pop(rank, None)
            return False
        since, looks = self._still.get(rank, (now, 0))
        self._still[rank] = since, looks + 1
        return looks + 1 >= STILL_LOOKS and now - since >= STILL_TIME


def _kill(number: int, start: str) -> None:
    """Kill a process unless another one has its number by now."""
    with contextlib.suppress(OSError):
        # An open descriptor stays with its process, so what is compared is what is killed.
        process = os.pidfd_open(number)
        try:
            if process_fields(number)[START] == start:
                signal.pidfd_send_signal(process, signal.SIGKILL)
        finally:
            os.close(process)
