"""States on disk: safetensors files, written whole or not at all."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

from pal_core.errors import PalError
from pal_core.reading import refuse_other_than_file

__all__ = [
    "SCRATCH_FOLDER",
    "STATE_FOLDERS",
    "is_temporary",
    "load_state",
    "prune_rounds",
    "round_file",
    "rounds_on_disk",
    "save_state",
    "set_directories",
    "set_directory",
]

STATE_FOLDERS = ("models", "snapshots")
"""Folders of a run directory that hold states."""
SCRATCH_FOLDER = "scratch"
"""Folder of a run directory with the oracles' working directories."""
_TEMPORARY = re.compile(r"\..+\.(\d+|part)|.+\.part|\.pal\.sqlite-.+")


def save_state(path: Path, state: Mapping[str, NDArray[Any]], notes: Mapping[str, str] | None = None) -> None:
    """Write arrays to a temporary name, sync, then rename: a reader finds the old file or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    arrays = {k: np.ascontiguousarray(v).reshape(np.shape(v)) for k, v in state.items()}
    try:
        save_file(arrays, temporary, metadata=dict(notes or {}))
        with temporary.open("rb") as file:
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def is_temporary(path: Path) -> bool:
    """Whether a file has the name of one that is being written, and is left over if nobody writes."""
    return _TEMPORARY.fullmatch(path.name) is not None


def load_state(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Arrays and notes of a file from `save_state`.

    Raises
    ------
    PalError
        If the file is damaged.
    """
    try:
        refuse_other_than_file(path)
        with safe_open(path, framework="numpy") as file:
            return {k: file.get_tensor(k) for k in file.keys()}, dict(file.metadata() or {})  # noqa: SIM118 - no mapping
    except FileNotFoundError:
        raise
    except Exception as error:
        raise PalError(f"{path} can't be read: {error}", "remove it: the run then starts this part anew") from error


def set_directory(directory: Path, number: int) -> Path:
    """Folder of a snapshot set in a run directory."""
    return directory / "snapshots" / f"{number:06d}"


def set_directories(directory: Path) -> dict[int, Path]:
    """Folders of all snapshot sets on disk, whether they count or not, by number."""
    found = (directory / "snapshots").glob("[0-9]*")
    return {int(p.name): p for p in sorted(found) if p.name.isdecimal() and p.is_dir() and not p.is_symlink()}


def round_file(directory: Path, member: int, number: int) -> Path:
    """Where a member's weights after a training round lie."""
    return directory / "models" / f"member-{member:03d}" / f"round-{number:05d}.safetensors"


def rounds_on_disk(directory: Path, member: int) -> list[int]:
    """Rounds whose weights are on disk, ascending."""
    files = (directory / "models" / f"member-{member:03d}").glob("round-*.safetensors")
    numbers = (f.stem.removeprefix("round-") for f in files)
    return sorted(int(n) for n in numbers if n.isascii() and n.isdecimal())


def prune_rounds(directory: Path, member: int, keep: int) -> None:
    """Keep the first round and the newest ones, `keep` files in all; the newest if it is to be one."""
    rounds = rounds_on_disk(directory, member)
    first = min(keep - 1, 1)
    surplus = max(len(rounds) - keep, 0)
    for number in rounds[first : first + surplus]:
        round_file(directory, member, number).unlink(missing_ok=True)
