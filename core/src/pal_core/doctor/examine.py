"""Goes through everything in a run directory."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pal_core.doctor.database import look_at_database
from pal_core.doctor.files import look_at_files
from pal_core.doctor.findings import Finding, note, ok
from pal_core.doctor.links import look_at_links
from pal_core.doctor.snapshots import look_at_snapshots
from pal_core.doctor.surroundings import look_at_disk, look_at_packages
from pal_core.store.lock import Lock, holder_of

__all__ = ["Treatment", "examine", "repair"]

_PASSES = 5


@dataclass(frozen=True)
class Treatment:
    """A repair that was made.

    Parameters
    ----------
    finding : Finding
    done : str
        What was done.
    """

    finding: Finding
    done: str


def examine(directory: Path, lock: Lock | None = None) -> list[Finding]:
    """Look at a run directory and change nothing.

    Parameters
    ----------
    directory : Path
    lock : Lock, optional
        Its lock, if the caller holds it; otherwise a run may be at work, whose unfinished files are then left alone.
    """
    found, live = (None, False) if lock else _look_at_lock(directory)
    return [
        *([found] if found else []),
        *look_at_links(directory),
        *look_at_database(directory, live),
        *look_at_snapshots(directory, live),
        *look_at_files(directory, live),
        *look_at_packages(directory),
        *look_at_disk(directory),
    ]


def _look_at_lock(directory: Path) -> tuple[Finding, bool]:
    record = holder_of(directory)
    if record is None:
        return ok("lock", "nobody holds the run directory"), False
    holder, alive = record
    if alive:
        return note("lock", f"a run is at work: {holder}; its unfinished files were not looked at"), True
    text = f"left behind by {holder}, which has ended without a word"
    return note("lock", text, "pal run takes it over, or repair", lambda lock: "taken away"), False


def repair(directory: Path) -> list[Treatment]:
    """Repair what is safe to repair; what a repair brings to light is looked at again.

    Raises
    ------
    StoreError
        If a run holds the directory.
    """
    lock = Lock(directory)
    done: list[Treatment] = []
    try:
        if lock.taken_over is not None:
            found = note("lock", f"left behind by {lock.taken_over}, which has ended without a word")
            done.append(Treatment(found, "taken away"))
        for _ in range(_PASSES):
            known = [t.finding for t in done]
            found_now = [f for f in examine(directory, lock) if f.repair is not None and f not in known]
            if not found_now:
                break
            for finding in found_now:
                lock.renew()
                if finding.repair is not None:
                    done.append(Treatment(finding, finding.repair(lock)))
    finally:
        lock.release()
    return done
