"""Which snapshot set a run goes on from, and whether it repeats itself from there."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from pal_core.errors import PalError
from pal_core.runtime.checkpoint import set_directory
from pal_core.runtime.snapshots import SetReader
from pal_core.settings.changes import changes
from pal_core.settings.kernels import validate
from pal_core.settings.load import Loaded
from pal_core.settings.model import Settings
from pal_core.store.store import FILE_NAME, Store, StoreError

__all__ = ["Past", "find_past", "newest_set"]

_log = logging.getLogger("pal.snapshots")


@dataclass(frozen=True)
class Past:
    """Number of a set, 0 for none, and whether the run repeats itself from there."""

    set: int = 0
    repeats: bool = False


def find_past(loaded: Loaded) -> Past:
    """Where a run begins.

    A deterministic run repeats itself from its newest set that holds every walker, or from the start, until it is where
    it was interrupted: if neither packages nor settings that matter have changed since that set. Otherwise, like
    every other run, it goes on from the newest set, and all labels count.
    """
    sessions, sets = _look(loaded.directory)
    readable = _readable(loaded.directory, sets)
    newest = readable[0].number if readable else 0
    if not sessions or not loaded.settings.run.deterministic:
        return Past(newest)
    walkers = {f"walker/{i}" for i in range(loaded.settings.generator.walkers)}
    for number in [*(r.number for r in readable if walkers <= r.kernels), 0]:
        since = sets[number].get("session", 0) if number else 0
        if _same_course([s for s in sessions if s["id"] >= since], loaded):
            return Past(number, repeats=True)
    return Past(newest)


def newest_set(directory: Path) -> int:
    """Number of the newest committed set that can be read, 0 if there is none.

    Of the two sets that are kept the older one serves where the newer is damaged.
    """
    readable = _readable(directory, _look(directory)[1])
    return readable[0].number if readable else 0


def _look(directory: Path) -> tuple[list[dict[str, Any]], dict[int, dict[str, Any]]]:
    """Sessions and sets; nothing where the store can't be read, for the writer will say what is wrong."""
    if not (directory / FILE_NAME).exists():
        return [], {}
    try:
        store = Store(directory)
    except StoreError:
        return [], {}
    try:
        return store.sessions(), dict(store.sets())
    finally:
        store.close()


def _readable(directory: Path, sets: Mapping[int, Mapping[str, Any]]) -> list[SetReader]:
    """Newest first; those of which a file is missing or damaged are passed over."""
    found = []
    for number in sorted(sets, reverse=True):
        folder = set_directory(directory, number)
        missing = [name for name in sets[number].get("files", ()) if not (folder / name).exists()]
        if missing:
            _log.warning("snapshot set %d lacks %s; see: pal doctor %s", number, ", ".join(missing), directory)
            continue
        try:
            found.append(SetReader(directory, number))
        except PalError as error:
            _log.warning("%s", error)
    return found


def _same_course(sessions: Sequence[Mapping[str, Any]], loaded: Loaded) -> bool:
    """Whether these sessions and the one that begins now are parts of one deterministic run."""
    packages = {k.distribution: k.version for k in loaded.kernels}
    try:
        parts = [(validate(Settings, json.loads(s["settings"])), s["packages"]) for s in sessions]
    except ValueError:
        return False  # settings of another version
    parts.append((loaded.settings, packages))
    return all(
        one[1] == other[1] and all(c.harmless for c in changes(one[0], other[0])) for one, other in pairwise(parts)
    )
