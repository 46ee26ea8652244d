"""Links in a run directory that lead out of it: what PAL writes there would land somewhere else.

An archive with a run in it may hold such links. The run directory itself may be one, and so may the oracles' folder
``scratch``, which people put on a fast disk: nothing but its folders ``oracle-<number>`` is touched.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from pal_core.store.faults import StoreError

__all__ = ["links_out", "refuse_links_out"]

_FILES = ("pal.sqlite", "lock", "status.json", "launcher.json", "stop")
_FOLDERS = ("logs", "models", "quarantine", "snapshots", "spool", "trajectories")
_DEPTH = 3
_UNSEEN = "quarantine"
"""What oracles have left is kept there as it was, links included, and never followed."""


def links_out(directory: Path) -> list[Path]:
    """Links in place of PAL's own files and folders that lead out of a run directory, or nowhere."""
    home = directory.resolve()
    return sorted(p for p in _links(directory) if not _inside(p, home))


def refuse_links_out(directory: Path) -> None:
    """Make sure that nothing written to a run directory lands elsewhere.

    Raises
    ------
    StoreError
        Naming the first link that leads out.
    """
    found = links_out(directory)
    if found:
        raise StoreError(
            f"{found[0]} is a link that leads out of the run directory, to {found[0].readlink()}",
            f"look where this directory comes from; pal doctor --repair {directory} removes such links (not what they "
            "lead to), or make the whole run directory the link",
        )


def _inside(link: Path, home: Path) -> bool:
    try:
        return link.resolve(strict=True).is_relative_to(home)
    except (OSError, RuntimeError):  # it leads nowhere, or in a circle
        return False


def _links(directory: Path) -> Iterator[Path]:
    folders = []
    for entry in _entries(directory):
        name = entry.name.lstrip(".")
        if entry.is_symlink():
            if name in _FOLDERS or name.startswith(_FILES):
                yield Path(entry.path)
        elif name in _FOLDERS and name != _UNSEEN:
            folders.append((entry.path, 1))
    while folders:
        folder, depth = folders.pop()
        for entry in _entries(folder):
            if entry.is_symlink():
                yield Path(entry.path)
            elif depth < _DEPTH and entry.is_dir(follow_symlinks=False):
                folders.append((entry.path, depth + 1))


def _entries(folder: Path | str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []
