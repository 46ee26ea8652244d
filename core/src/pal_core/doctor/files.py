"""Looks for files that a killed run has left lying about."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pal_core.doctor.findings import Finding, note
from pal_core.runtime.checkpoint import SCRATCH_FOLDER, STATE_FOLDERS, is_temporary
from pal_core.runtime.spool import FOLDER as SPOOL_FOLDER
from pal_core.store.lock import Lock

__all__ = ["look_at_files"]


def look_at_files(directory: Path, live: bool) -> list[Finding]:
    """Temporary files, scratch directories and labels in the spool; those of a run at work are left alone."""
    return [] if live else [*_temporary(directory), *_scratch(directory), *_spool(directory)]


def _temporary(directory: Path) -> Iterator[Finding]:
    places = [directory.glob("*"), *((directory / name).rglob("*") for name in (*STATE_FOLDERS, SPOOL_FOLDER))]
    files = sorted(p for place in places for p in place if p.is_file() and is_temporary(p))
    if files:
        text = f"{_files(len(files))} not written to the end: {files[0].relative_to(directory)}"
        yield note("files", text, "remove: pal doctor --repair", partial(_remove_files, tuple(files)))


def _scratch(directory: Path) -> Iterator[Finding]:
    folder = directory / SCRATCH_FOLDER
    files = sum(1 for p in folder.rglob("*") if not p.is_dir()) if folder.is_dir() else 0
    if files:
        text = f"{_files(files)} of oracles in {SCRATCH_FOLDER}/"
        yield note("files", text, "remove: pal doctor --repair", partial(_remove_tree, folder))


def _spool(directory: Path) -> Iterator[Finding]:
    """Labels that no store holds yet; they are never removed here."""
    for level in sorted((directory / SPOOL_FOLDER).glob("*")):
        count = len(list(level.glob("*.label")))
        if count:
            text = f"{count} label{'s' if count > 1 else ''} in {level.relative_to(directory)}, not in the store yet"
            yield note("spool", text, "pal run takes them in, with the oracle and options that they were made with")


def _files(count: int) -> str:
    return f"{count} file{'s' if count > 1 else ''}"


def _remove_files(files: tuple[Path, ...], lock: Lock) -> str:
    for path in files:
        path.unlink(missing_ok=True)
    return f"{_files(len(files))} removed"


def _remove_tree(folder: Path, lock: Lock) -> str:
    if folder.is_symlink():
        folder.unlink()
    else:
        shutil.rmtree(folder)
    return f"{folder.name}/ removed"
