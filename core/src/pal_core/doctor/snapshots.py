"""Looks at snapshot sets and at the weights of training rounds."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from safetensors import safe_open

from pal_core.doctor.findings import Finding, note, ok, problem
from pal_core.reading import refuse_other_than_file
from pal_core.runtime.checkpoint import is_temporary, set_directories, set_directory
from pal_core.store.faults import StoreError
from pal_core.store.lock import Lock
from pal_core.store.store import Store

__all__ = ["look_at_snapshots"]


def look_at_snapshots(directory: Path, live: bool) -> list[Finding]:
    """The sets that the store knows, those on disk, and every other file of states."""
    sets = _stored_sets(directory)
    found = list(_loose_files(directory))
    if sets is not None:
        found += _last_set(directory, sets)
        found += [] if live else _leftovers(directory, sets)
    return found


def _stored_sets(directory: Path) -> dict[int, dict[str, Any]] | None:
    """Sets that the store knows; None if it is damaged, which is told of elsewhere."""
    with contextlib.suppress(StoreError), contextlib.closing(Store(directory)) as store:
        return dict(store.sets())
    return None


def _faults(directory: Path, number: int, state: dict[str, Any]) -> list[str]:
    """What is wrong with a set."""
    folder = set_directory(directory, number)
    names = [Path(str(name)).name for name in state.get("files", [])]
    if not folder.is_dir():
        return ["its folder is missing"]
    missing = [f"{name} is missing" for name in names if not (folder / name).is_file()]
    there = [folder / name for name in names if (folder / name).is_file()]
    return missing + [f"{p.name}: {why}" for p in there if (why := _unreadable(p))]


def _unreadable(path: Path) -> str:
    """Why a file of states can't be read; empty if it can: the header tells size and place of every array."""
    try:
        refuse_other_than_file(path)
        with safe_open(path, framework="numpy") as file:
            file.keys()
    except Exception as error:  # of safetensors' own kinds
        return str(error)
    return ""


def _last_set(directory: Path, sets: dict[int, dict[str, Any]]) -> Iterator[Finding]:
    if not sets:
        return
    last, *before = sorted(sets, reverse=True)
    faults = _faults(directory, last, sets[last])
    if not faults:
        yield ok("snapshots", f"set {last} is complete")
        return
    text = f"set {last} can't be used: {'; '.join(faults[:3])}"
    sound = next((n for n in before if not _faults(directory, n, sets[n])), None)
    gone = not set_directory(directory, last).exists()
    if sound is not None:
        advice = f"go back to set {sound}: pal doctor --repair"
        yield problem("snapshots", text, advice, partial(_fall_back, directory, sound))
    elif gone:
        advice = "go on from the labels, walkers and training begin anew: pal doctor --repair"
        yield problem("snapshots", text, advice, partial(_fall_back, directory, 0))
    else:
        folder = set_directory(directory, last)
        advice = f"restore it from a backup, or give it up: remove {folder}, then pal doctor --repair"
        yield problem("snapshots", text, advice)


def _fall_back(directory: Path, number: int, lock: Lock) -> str:
    """Forget the sets after `number`; their folders become leftovers."""
    store = Store(directory, write=True, lock=lock)
    said = f"the run goes on from set {number}" if number else "the run goes on from its labels"
    try:
        store._write("DELETE FROM sets WHERE number > ?", number)
        store.note("doctor", f"the last snapshot set was damaged: {said}")
    finally:
        store.close()
    return said


def _leftovers(directory: Path, sets: dict[int, dict[str, Any]]) -> Iterator[Finding]:
    for number, folder in set_directories(directory).items():
        if number not in sets:
            text = f"set {number} on disk doesn't count: it was not finished, or is past"
            yield note("snapshots", text, "remove it: pal doctor --repair", partial(_remove, folder))


def _loose_files(directory: Path) -> Iterator[Finding]:
    """Weights of rounds, and snapshots outside of sets."""
    files = [*(directory / "models").glob("*/*.safetensors"), *(directory / "snapshots").glob("*.safetensors")]
    bad = 0
    for path in sorted(p for p in files if not is_temporary(p)):
        if why := _unreadable(path):
            bad += 1
            name = path.relative_to(directory)
            yield problem("states", f"{name} can't be read: {why}", "restore it from a backup, or remove it")
    if files and not bad:
        yield ok("states", f"{len(files)} files of weights and states can be read")


def _remove(folder: Path, lock: Lock) -> str:
    shutil.rmtree(folder)
    return f"{folder.name} removed"
