"""Whether the process of a run has died without a word."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path
from typing import Any

from pal_core.launch.processes import Owner
from pal_core.proc import is_alive
from pal_core.store.faults import StoreError
from pal_core.store.lock import holder_of

__all__ = ["is_dead"]


def is_dead(directory: Path, status: dict[str, Any]) -> bool:
    """Whether a run that has not ended has nobody left who would go on with it.

    Only of processes of this machine anything is known. While a `pal run` lives, it starts the ranks again.
    """
    if status.get("outcome") is not None or status.get("host") != socket.gethostname() or "pid" not in status:
        return False
    owner = Owner.of(directory)
    return not _lives(directory, status["pid"]) and (owner is None or owner.is_dead)


def _lives(directory: Path, pid: int) -> bool:
    """By the lock where that is still the process's, since numbers of processes are given again."""
    with contextlib.suppress(StoreError):
        record = holder_of(directory)
        if record is not None and (record[1] or record[0].pid == pid):
            return record[1]
    return is_alive(pid)
