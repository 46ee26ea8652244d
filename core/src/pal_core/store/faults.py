"""What goes wrong with a store, told in one sentence and with what to do next."""

from __future__ import annotations

import errno
import shutil
import sqlite3
from pathlib import Path

from pal_core.errors import PalError

__all__ = ["DamagedStore", "OldStore", "StoreError", "explain", "is_full"]

_LITTLE = 1 << 16
_FULL = (errno.ENOSPC, errno.EDQUOT)
_REFUSED = (errno.EACCES, errno.EPERM, errno.EROFS, errno.EEXIST, errno.ENOTDIR)
_DAMAGE = ("malformed", "not a database", "could not decode", "no such table", "no such column")
_SAFE = "what was stored before is safe"


class StoreError(PalError):
    """The store can't be used as asked."""


class DamagedStore(StoreError):
    """SQLite can't make sense of the file."""


class OldStore(StoreError):
    """An earlier pal-core wrote the file, and a reader can't upgrade it."""


def is_full(directory: Path) -> bool:
    """Whether there is no space left, so that not even an error can have been written."""
    try:
        return shutil.disk_usage(directory).free < _LITTLE
    except OSError:
        return False


def explain(path: Path, error: sqlite3.Error | OSError) -> StoreError:
    """The error of a file in a run directory, as the user should read it."""
    text, number = str(error), getattr(error, "errno", None)
    said = text.lower()
    if "is full" in said or number in _FULL or ("i/o error" in said and is_full(path.parent)):
        return StoreError(f"{path}: {text}: no space is left", f"make room, then pal run goes on; {_SAFE}")
    if any(word in said for word in _DAMAGE):
        return DamagedStore(
            f"{path} is damaged: {text}",
            f"save what can be read, the damaged file is kept: pal doctor --repair {path.parent}",
        )
    if "readonly" in said or "unable to open" in said or "permission" in said or number in _REFUSED:
        return StoreError(
            f"{path} can't be opened or written to: {text}",
            f"make {path.parent} and its files writable for you, or use another run.directory; {_SAFE}",
        )
    if "locked" in said or "locking" in said:
        return StoreError(
            f"{path} is held by another program: {text}",
            f"close what has it open (an sqlite3 shell, a backup), then pal run goes on; {_SAFE}",
        )
    return StoreError(
        f"{path}: {text}",
        f"is a quota or a limit reached, or the disk broken? Look with pal doctor {path.parent}; {_SAFE}",
    )
