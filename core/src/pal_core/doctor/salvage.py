"""Reads what can be read of a damaged database, row by row."""

from __future__ import annotations

import contextlib
import json
import math
import re
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pal_core.doctor.leaves import WANTED, leaf_pages, shown_as
from pal_core.reading import parse_json
from pal_core.store.database import FILE_NAME, connect, connect_to_read
from pal_core.store.guarded import is_set_state
from pal_core.store.tables import FORMAT, TABLES

__all__ = ["copy_lost_pages", "copy_table", "format_of", "known_counts", "opened", "tables_of"]

_GAP = 100_000
_PER_PAGE = 1000
_LARGEST = 2**40
_LAST = 1e11  # a time that `localtime` knows
_TIMES = ("time", "started", "ended")
_FIRST_PAGE = 4096
_NAMES = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))
"""Other tables are not PAL's, and stay behind."""
_COUNTS = {
    "samples": "SELECT COUNT(*) FROM samples INDEXED BY samples_by_hash",
    "labels": "SELECT COUNT(*) FROM samples INDEXED BY samples_by_state WHERE state = 'labelled'",
    "attempts": "SELECT COUNT(*) FROM attempts INDEXED BY attempts_by_sample",
}
"""How many there were, by what repeats parts of the tables."""
Row = tuple[Any, ...]


class _Column(NamedTuple):
    name: str
    kind: str
    needed: bool
    default: Any


@contextlib.contextmanager
def opened(path: Path) -> Iterator[sqlite3.Connection]:
    """The damaged file, or a copy of it with a first page that can be read, should its own be the damaged one.

    Raises
    ------
    sqlite3.Error
        If it can be read in neither way.
    """
    with _scratch(path, "first") as copy, contextlib.ExitStack() as stack:
        try:
            db = stack.enter_context(contextlib.closing(connect_to_read(path)))
            _expect_tables(db)
        except sqlite3.Error as error:
            _copy_with_first_page(path, copy)
            db = stack.enter_context(contextlib.closing(connect(copy, "mode=rw")))
            _expect_samples(db, error)
        db.execute("PRAGMA cell_size_check = OFF")  # one bad row needn't cost its whole page
        db.text_factory = lambda text: text.decode("utf-8", "replace")
        yield db


@contextlib.contextmanager
def _scratch(path: Path, name: str = "pages") -> Iterator[Path]:
    """Place for a copy, which is removed in the end."""
    copy = path.with_name(f".{FILE_NAME}-{name}.part")
    try:
        yield copy
    finally:
        for end in ("", "-wal", "-shm", "-journal"):
            copy.with_name(copy.name + end).unlink(missing_ok=True)


def _expect_tables(db: sqlite3.Connection) -> None:
    """Raise an error unless every table is there, and has its columns."""
    with contextlib.closing(sqlite3.connect(":memory:")) as fresh:
        fresh.executescript(TABLES)
        missing = _NAMES - tables_of(db).keys() - ({"sets"} if format_of(db) < FORMAT else set())
        if missing:
            raise sqlite3.DatabaseError(f"database disk image is malformed: no table {sorted(missing)[0]}")
        for name in _NAMES if format_of(db) == FORMAT else ():
            if set(_names(db, name)) != set(_names(fresh, name)):
                raise sqlite3.DatabaseError(f"database disk image is malformed: other columns in {name}")


def _expect_samples(db: sqlite3.Connection, why: sqlite3.Error) -> None:
    """Raise the first error anew where the exchange of the first page hasn't helped."""
    for _ in _rows(db, "samples", '"state"'):
        return
    raise why


def _copy_with_first_page(path: Path, copy: Path) -> None:
    """The first page has the tables' definitions and places, which are the same in every store of this format."""
    with contextlib.closing(connect(copy, "mode=rwc")) as db:
        db.executescript(f"BEGIN; {TABLES} COMMIT;")
    first = bytearray(copy.read_bytes()[:_FIRST_PAGE])
    log = path.with_name(f"{path.name}-wal")
    has_log = log.exists() and log.stat().st_size > 0
    first[18:20] = b"\2\2" if has_log else b"\1\1"  # whether a write-ahead log is to be looked for
    first[28:40] = bytes(12)  # size: to be taken from the file's; no free pages
    content = path.read_bytes()
    copy.write_bytes(first + content[_FIRST_PAGE:])
    if has_log:
        copy.with_name(f"{copy.name}-wal").write_bytes(log.read_bytes())


def tables_of(db: sqlite3.Connection) -> dict[str, str]:
    """PAL's tables by name, with the statements that made them."""
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {str(name): str(sql) for name, sql in rows if name in _NAMES}


def format_of(db: sqlite3.Connection) -> int:
    """Format as stored, or as the tables look, should that not be readable."""
    with contextlib.suppress(sqlite3.Error, TypeError, ValueError):
        found = int(db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0])
        if 1 <= found <= FORMAT:
            return found
    return FORMAT if "sets" in tables_of(db) else 1


def known_counts(db: sqlite3.Connection) -> dict[str, int]:
    """How many rows tables had, as far as that can still be known."""
    found = {}
    for name, sql in _COUNTS.items():
        with contextlib.suppress(sqlite3.Error):
            found[name] = int(db.execute(sql).fetchone()[0])
    return found


def _names(db: sqlite3.Connection, table: str) -> list[str]:
    return [str(row[1]) for row in db.execute(f'PRAGMA table_info("{table}")')]


def copy_lost_pages(path: Path, new: sqlite3.Connection, name: str) -> int:
    """Copy the rows of a table that only lack the way to them; returns how many."""
    if name not in WANTED:
        return 0
    count = 0
    with _scratch(path) as copy:
        _copy_with_first_page(path, copy)
        for page in leaf_pages(path, WANTED[name]):
            with contextlib.suppress(sqlite3.Error), shown_as(copy, name, page) as old:
                count += copy_table(old, new, name, _PER_PAGE)
    return count


def copy_table(old: sqlite3.Connection, new: sqlite3.Connection, name: str, gap: int = _GAP) -> int:
    """Copy the rows that can be read, and whose values are of the right kind; returns how many."""
    columns = [
        _Column(str(row[1]), str(row[2]), bool(row[3]), row[4]) for row in new.execute(f'PRAGMA table_info("{name}")')
    ]
    listed = ", ".join(f'"{c.name}"' for c in columns)
    marks = ", ".join("?" * (len(columns) + 1))
    sql = f'INSERT OR IGNORE INTO "{name}" (rowid, {listed}) VALUES ({marks})'  # noqa: S608
    count = 0
    for number, *values in _rows(old, name, listed, gap):
        sound = [_sound(c, value) for c, value in zip(columns, values, strict=True)]
        if name == "labels" and (sound != values or any("\ufffd" in v for v in values if isinstance(v, str))):
            continue  # its numbers lie beside what is damaged, and nothing could tell whether they are right
        if 0 <= number < _LARGEST and _is_row(name, dict(zip([c.name for c in columns], sound, strict=True))):
            count += new.execute(sql, (number, *sound)).rowcount
    return count


def _sound(column: _Column, value: Any) -> Any:
    """A value, or what stands for one that can't be PAL's: the column's default, or nothing."""
    if column.kind == "REAL" and isinstance(value, int):
        value = float(value)
    kinds = {"TEXT": str, "INTEGER": int, "REAL": float, "BLOB": bytes}
    fits = isinstance(value, kinds[column.kind])
    if column.name in _TIMES:
        fits = fits and 0 <= value < _LAST
        return value if fits else 1.0 if column.needed else None
    if fits and column.kind == "REAL":
        fits = math.isfinite(value)
    if column.name in ("packages", "metrics"):
        return value if fits and _is_table(value) else "{}"
    if column.name == "state":
        return value if fits else "lost"  # for a sample, tables that can be read tell
    return value if fits else _default(column)


def _default(column: _Column) -> Any:
    """Of the tables' defaults all texts are quoted, and all numbers 0."""
    if column.default is None:
        return None
    return 0 if column.kind == "INTEGER" else str(column.default).strip("'")


def _is_table(text: str) -> bool:
    try:
        return isinstance(parse_json(text), dict)
    except ValueError:
        return False


def _is_row(table: str, row: dict[str, Any]) -> bool:
    if table == "sessions":
        return isinstance(row["settings"], str) and _is_table(row["settings"])
    if table != "sets":
        return True  # what is still missing is refused by the table itself
    with contextlib.suppress(ValueError, TypeError):
        return is_set_state(json.loads(row["state"]))
    return False


def _rows(db: sqlite3.Connection, name: str, columns: str, gap: int = _GAP) -> Iterator[Row]:
    """From the front up to the damage, from the back up to it, then one by one what lies between."""
    sql = f'SELECT rowid, {columns} FROM "{name}"'  # noqa: S608
    first, last, held, damaged = 0, None, None, False
    try:
        for row in db.execute(f"{sql} ORDER BY rowid"):
            if held is None or row[0] > held[0]:
                if held is not None:
                    first = held[0]
                    yield held
                held = row
            elif row[0] > first:
                held = row  # the one before it has a wrong number
    except sqlite3.Error:
        damaged = True
    if held is not None:
        first = held[0]
        yield held
    if damaged:
        for row in _until_damage(db, f"{sql} WHERE rowid > {first} ORDER BY rowid DESC"):
            last = row[0]
            yield row
        for number in range(first + 1, min(last or first + gap, first + gap)):
            yield from _until_damage(db, f"{sql} WHERE rowid = {number}")


def _until_damage(db: sqlite3.Connection, sql: str) -> Iterator[Row]:
    with contextlib.suppress(sqlite3.Error):
        yield from db.execute(sql)
