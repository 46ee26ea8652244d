"""Finds the run that a command is about: by its settings file or by its directory."""

from __future__ import annotations

import contextlib
import os
from itertools import islice
from pathlib import Path
from typing import Any

from pal_core.errors import PalError
from pal_core.reading import parse_toml
from pal_core.store.store import FILE_NAME

__all__ = ["go_on", "run_directory"]

_MANY = 100


def run_directory(path: Path) -> Path:
    """The run directory that `path` is, or that the settings file at `path` names.

    Raises
    ------
    PalError
        If there is no run.
    """
    directory = path
    if path.is_file():
        try:
            directory = _named(path)
        except ValueError as error:
            raise PalError(f"{path} is no settings file: {error}") from error
    if not (directory / FILE_NAME).exists():
        raise PalError(f"{directory} holds no run", f"start one: pal run {path if path.is_file() else 'SETTINGS'}")
    return directory


def _named(path: Path) -> Path:
    """As `Loaded.directory` finds it, but settings with mistakes elsewhere will do."""
    table: dict[str, Any] = parse_toml(path.read_text(encoding="utf-8"))
    run = table.get("run", {})
    name = run.get("directory", "run") if isinstance(run, dict) else "run"
    return path.resolve().parent / Path(str(name)).expanduser()


def go_on(run: Path) -> str:
    """The command that goes on with a run, with its settings file where that is known or the only one that fits."""
    if run.is_file():
        return f"pal run {run}"
    found = []
    for path in islice(run.resolve().parent.glob("*.toml"), _MANY):
        with contextlib.suppress(OSError, ValueError, RuntimeError):
            if _named(path).resolve() == run.resolve():
                found.append(path)
    return f"pal run {os.path.relpath(found[0]) if len(found) == 1 else 'SETTINGS'}"
