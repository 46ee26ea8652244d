"""What a store may hold: tables and no SQL that came with the file, and states of sets as PAL writes them."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pal_core.store.faults import StoreError

__all__ = ["distrust", "is_set_state", "refuse_code"]

_LARGEST = 2**62


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


def _are_pairs(value: Any) -> bool:
    return isinstance(value, list) and all(_are_counts(v) and len(v) == 2 for v in value)


def _are_names(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(v, str) and v not in ("", "..") and v == Path(v).name for v in value
    )


_SET_STATE: dict[str, Callable[[Any], bool]] = {
    "stage": lambda value: isinstance(value, str),
    "files": _are_names,
    "waiting": _are_counts,
    "window": _are_pairs,
    **dict.fromkeys(("round", "rounds", "steps", "selected", "sample"), _is_count),
}


def is_set_state(state: Any) -> bool:
    """Whether the state of a snapshot set holds numbers and names where the machine takes such."""
    return isinstance(state, dict) and all(fits(state[key]) for key, fits in _SET_STATE.items() if key in state)


def distrust(db: sqlite3.Connection) -> None:
    """Let SQL in the file's own schema call nothing that reaches out of it, and check pages as they come."""
    db.execute("PRAGMA trusted_schema = OFF")
    db.execute("PRAGMA cell_size_check = ON")


def refuse_code(db: sqlite3.Connection, path: Path) -> None:
    """Refuse triggers, views, virtual tables and generated columns; PAL's own stores have none.

    Raises
    ------
    StoreError
        Naming the first one.
    """
    for kind, name, sql in db.execute("SELECT type, name, sql FROM sqlite_master"):
        words = str(sql or "").split(None, 2)[:2]
        if kind in ("trigger", "view") or (kind == "table" and sql is not None and words != ["CREATE", "TABLE"]):
            what = kind if kind in ("trigger", "view") else "virtual table"
            raise _refused(path, f"a {what} {name!r}")
        if kind == "table" and any(row[6] > 1 for row in db.execute("SELECT * FROM pragma_table_xinfo(?)", [name])):
            raise _refused(path, f"a generated column in table {name!r}")


def _refused(path: Path, what: str) -> StoreError:
    return StoreError(
        f"{path} holds {what}, which PAL never makes: it would run SQL of whoever made it",
        "don't use this store, unless you know where that comes from and have removed it (sqlite3: DROP ...)",
    )
