"""What a launcher has to know of a run directory: whose ranks it has, what was made there, and how the run ended."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from pal_core.launch.processes import Owner, end_descendants
from pal_core.store.database import FILE_NAME, StoreError
from pal_core.store.store import Store

__all__ = ["await_lock", "clear_orphans", "made", "stored_end"]

ORPHANS_PATIENCE = 8.0
"""Seconds that ranks of a dead launcher, which are ending, are left before they are killed."""
_LOOK_EVERY = 0.1
_LOCK_LIMIT = 20.0


def clear_orphans(directory: Path, say: Callable[[str], None]) -> None:
    """See that nothing lives of the ranks of an earlier `pal run` that has died on this machine.

    They notice that by themselves and end in order; those that take long are ended here.
    """
    owner = Owner.of(directory)
    if owner is None or not owner.is_dead:
        return
    killed = end_descendants(owner.token, ORPHANS_PATIENCE)
    if killed:
        say(f"ended {killed} processes that an earlier pal run (pid {owner.pid}, died) has left in {directory}")
    owner.sign_off(directory)


def made(directory: Path) -> tuple[int, int]:
    """Labels made and training rounds ended: what a start has to add to, or it was in vain."""
    if not (directory / FILE_NAME).exists():
        return 0, 0
    store = Store(directory)
    try:
        return store.labels_made, len(store.rounds())
    finally:
        store.close()


def stored_end(directory: Path, begin: float) -> dict[str, str] | None:
    """Outcome and reason of a session that has ended since `begin`, according to the store; None without one."""
    if not (directory / FILE_NAME).exists():
        return None
    store = Store(directory)
    try:
        last = store.sessions()[-1:]
    finally:
        store.close()
    ended = [s for s in last if s["outcome"] is not None and s["ended"] >= begin]
    return {"outcome": ended[0]["outcome"], "reason": ended[0]["reason"]} if ended else None


def await_lock(directory: Path) -> None:
    """Wait until nobody holds the directory any more."""
    end = time.monotonic() + _LOCK_LIMIT
    while True:
        try:
            Store(directory, write=True).close()
            return
        except StoreError:
            if time.monotonic() > end:
                raise
            time.sleep(_LOOK_EVERY)
