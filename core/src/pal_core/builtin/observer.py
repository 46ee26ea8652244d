"""Writes the status to a file, for ``pal status`` and for the progress shown by ``pal run``."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from pal_core.builtin.status_form import is_status
from pal_core.reading import parse_json, read_plain

__all__ = ["STATUS_FILE", "StatusFile", "read_status"]

STATUS_FILE = "status.json"


class StatusFile:
    """Keeps ``status.json`` in the run directory up to date; a reader never sees half a file."""

    def __init__(self) -> None:
        self._path: Path | None = None

    def started(self, directory: Path, status: dict[str, Any]) -> None:
        """Begin a new file."""
        self._path = directory / STATUS_FILE
        self.progressed(status)

    def progressed(self, status: dict[str, Any]) -> None:
        """Replace the file."""
        if self._path is None:
            return
        temporary = self._path.with_name(f".{STATUS_FILE}.{os.getpid()}")
        temporary.write_text(json.dumps(status, indent=1), encoding="utf-8")
        temporary.replace(self._path)

    def ended(self, status: dict[str, Any]) -> None:
        """Write the last status, with its outcome."""
        self.progressed(status)


def read_status(directory: Path) -> dict[str, Any] | None:
    """The status of the run in a directory; None if there is none, or none that PAL has written whole."""
    try:
        status = parse_json(read_plain(directory / STATUS_FILE))
    except (OSError, ValueError):
        return None
    return status if is_status(status) else None
