"""Finds the run that a command is about: by its settings file or by its directory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pal_core.errors import PalError
from pal_core.reading import parse_toml
from pal_core.store.store import FILE_NAME

__all__ = ["run_directory"]


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
            table: dict[str, Any] = parse_toml(path.read_text(encoding="utf-8"))
        except ValueError as error:
            raise PalError(f"{path} is no settings file: {error}") from error
        run = table.get("run", {})
        name = run.get("directory", "run") if isinstance(run, dict) else "run"
        # As `Loaded.directory` finds it, but settings with mistakes elsewhere will do.
        directory = path.resolve().parent / Path(str(name)).expanduser()
    if not (directory / FILE_NAME).exists():
        raise PalError(f"{directory} holds no run", f"start one: pal run {path if path.is_file() else 'SETTINGS'}")
    return directory
