"""Saves what can be read of a damaged store into a new file."""

from __future__ import annotations

import contextlib
import re
import sqlite3
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from pal_core.doctor.states import set_states_right
from pal_core.store.database import FILE_NAME, connect, connect_to_read
from pal_core.store.faults import StoreError, explain
from pal_core.store.lock import Lock
from pal_core.store.store import Store
from pal_core.store.tables import FORMAT, TABLES
from pal_core.store.upgrade import upgrade

__all__ = ["recover"]

_NEW = f".{FILE_NAME}.part"
_GAP = 100_000
_NAMES = frozenset(re.findall(r"CREATE TABLE (\w+)", TABLES))
"""Other tables are not PAL's, and stay behind."""
Row = tuple[Any, ...]


def recover(directory: Path, lock: Lock) -> str:
    """Put a new store in the place of a damaged one, which is kept under another name.

    Returns
    -------
    str
        What was saved, what was lost, and where the damaged file lies.

    Raises
    ------
    StoreError
        If nothing can be read; nothing has been changed then.
    """
    path, new = directory / FILE_NAME, directory / _NEW
    kept = f"{FILE_NAME}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    new.unlink(missing_ok=True)
    try:
        saved = _copy(path, new)
        for end in ("-wal", "-shm", "-journal", ""):
            if (directory / f"{FILE_NAME}{end}").exists():
                (directory / f"{FILE_NAME}{end}").rename(directory / f"{kept}{end}")
        new.rename(path)
    finally:
        new.unlink(missing_ok=True)
    said = ", ".join(f"{n} {name}" for name, n in saved.items())
    return _set_right(directory, lock, f"saved {said}; the damaged file is kept as {kept}")


def _copy(path: Path, new: Path) -> dict[str, int]:
    """Rows copied, by table."""
    try:
        with contextlib.closing(connect_to_read(path)) as old, contextlib.closing(connect(new, "mode=rwc")) as db:
            found = _tables(old)
            fresh = _format(old) == FORMAT
            if fresh:
                db.executescript(TABLES)
            else:
                _make_tables(db, found.values())
            db.execute("BEGIN")
            saved = {name: _copy_table(old, db, name) for name in found}
            db.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", (str(_format(old)),))
            db.execute("COMMIT")
            if not fresh:
                upgrade(db, _format(old))
    except sqlite3.Error as error:
        if "is full" in str(error):
            raise explain(path, error) from error
        raise StoreError(
            f"{path}: nothing can be saved: {error}", "restore it from a backup, or use another run.directory"
        ) from error
    return saved


def _tables(db: sqlite3.Connection) -> dict[str, str]:
    rows = db.execute("SELECT name, sql FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return {str(name): str(sql) for name, sql in rows if name in _NAMES}


def _make_tables(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    """The tables of an earlier format as the file describes them: one statement each, and nothing but tables."""
    for sql in statements:
        if sql.split(None, 2)[:2] != ["CREATE", "TABLE"]:
            raise sqlite3.DatabaseError(f"no table: {sql[:40]!r}")
        try:
            db.execute(sql)
        except sqlite3.Warning as error:  # several statements, as some versions of Python tell it
            raise sqlite3.DatabaseError(str(error)) from error


def _format(db: sqlite3.Connection) -> int:
    """Format as stored, or as the tables look, should that not be readable."""
    with contextlib.suppress(sqlite3.Error, TypeError):
        return int(db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone()[0])
    return FORMAT if "sets" in _tables(db) else 1


def _copy_table(old: sqlite3.Connection, new: sqlite3.Connection, name: str) -> int:
    # Names come from the schema of the damaged file; new tables of the same names exist.
    columns = [str(r[1]) for r in old.execute(f'PRAGMA table_info("{name}")')]
    listed = ", ".join('"' + c.replace('"', '""') + '"' for c in columns)
    marks = ", ".join("?" * (len(columns) + 1))
    count = 0
    for row in _rows(old, name, listed):
        sql = f'INSERT OR IGNORE INTO "{name}" (rowid, {listed}) VALUES ({marks})'  # noqa: S608
        count += new.execute(sql, row).rowcount
    return count


def _rows(db: sqlite3.Connection, name: str, columns: str) -> Iterator[Row]:
    """From the front up to the damage, from the back up to it, then one by one what lies between."""
    sql = f'SELECT rowid, {columns} FROM "{name}"'  # noqa: S608
    first, last = 0, None
    try:
        for row in db.execute(f"{sql} ORDER BY rowid"):
            first = row[0]
            yield row
    except sqlite3.Error:
        for row in _until_damage(db, f"{sql} WHERE rowid > {first} ORDER BY rowid DESC"):
            last = row[0]
            yield row
        for number in range(first + 1, min(last or first + _GAP, first + _GAP)):
            yield from _until_damage(db, f"{sql} WHERE rowid = {number}")


def _until_damage(db: sqlite3.Connection, sql: str) -> Iterator[Row]:
    with contextlib.suppress(sqlite3.Error):
        yield from db.execute(sql)


def _set_right(directory: Path, lock: Lock, said: str) -> str:
    """What was lost leaves gaps: labels without samples mean nothing, and samples without labels wait again."""
    store = Store(directory, write=True, lock=lock)
    try:
        gaps = [
            f"{n} {table} of samples that are lost"
            for table in ("labels", "quarantine", "attempts")
            if (n := _delete_orphans(store, table))
        ]
        numbers = {int(r[0]) for r in store._run("SELECT id FROM samples")}
        unlabelled = store._run("SELECT COUNT(*) FROM samples WHERE state = 'labelled' AND id NOT IN "
                                "(SELECT sample FROM labels)")[0][0]  # fmt: skip
        if unlabelled:
            gaps.append(f"the labels of {unlabelled} samples, which wait again")
        set_states_right(store)
        missing = max(numbers, default=0) - len(numbers)
        gaps += [f"up to {missing} samples (numbers that are not there; dropped ones never were)"] if missing else []
        text = f"{said}; lost: {', '.join(gaps) or 'nothing that is known of'}"
        store.note("doctor", f"the store was damaged: {text}")
    finally:
        store.close()
    return text


def _delete_orphans(store: Store, table: str) -> int:
    condition = "WHERE sample NOT IN (SELECT id FROM samples)"
    count = int(store._run(f"SELECT COUNT(*) FROM {table} {condition}")[0][0])  # noqa: S608
    store._write(f"DELETE FROM {table} {condition}")  # noqa: S608
    return count
