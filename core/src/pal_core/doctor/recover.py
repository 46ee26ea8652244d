"""Saves what can be read of a damaged store into a new file."""

from __future__ import annotations

import contextlib
import sqlite3
import time
from collections.abc import Iterable
from pathlib import Path

from pal_core.doctor.contents import changed_samples, forget_lost_schemas, misfits
from pal_core.doctor.salvage import copy_lost_pages, copy_table, format_of, known_counts, opened, tables_of
from pal_core.doctor.states import set_states_right
from pal_core.store.database import FILE_NAME, connect
from pal_core.store.faults import StoreError, explain
from pal_core.store.lock import Lock
from pal_core.store.store import Store
from pal_core.store.tables import FORMAT, TABLES
from pal_core.store.upgrade import upgrade

__all__ = ["recover"]

_NEW = f".{FILE_NAME}.part"
_MANY = 1_000_000
_TOLD = ("labels", "samples", "attempts", "quarantine", "rounds", "sets", "history", "journal")


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
    kept = _free_name(directory)
    new.unlink(missing_ok=True)
    try:
        known = _copy(path, new)
        for end in ("-wal", "-shm", "-journal", ""):
            if (directory / f"{FILE_NAME}{end}").exists():
                (directory / f"{FILE_NAME}{end}").rename(directory / f"{kept}{end}")
        new.rename(path)
    finally:
        for end in ("", "-journal"):
            new.with_name(new.name + end).unlink(missing_ok=True)
    return _set_right(directory, lock, known, kept)


def _free_name(directory: Path) -> str:
    kept = f"{FILE_NAME}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    others = sum(1 for p in directory.glob(f"{kept}*") if p.suffix not in ("-wal", "-shm"))
    return f"{kept}-{others + 1}" if others else kept


def _copy(path: Path, new: Path) -> dict[str, int]:
    """Copy every row that can be read; how many there were by table, as far as that is known."""
    try:
        with opened(path) as old, contextlib.closing(connect(new, "mode=rwc")) as db:
            found, wanted = tables_of(old), format_of(old)
            if wanted == FORMAT:
                db.executescript(TABLES)
            else:
                _make_tables(db, found.values())
            db.execute("BEGIN")
            saved = {name: copy_table(old, db, name) for name in found}
            known = known_counts(old)
            for name in found if wanted == FORMAT else ():
                if known.get(name, saved[name] + 1) > saved[name]:
                    saved[name] += copy_lost_pages(path, db, name)
            db.execute("INSERT OR REPLACE INTO meta VALUES ('format', ?)", (str(wanted),))
            db.execute("COMMIT")
            if wanted != FORMAT:
                upgrade(db, wanted)
            return saved | {name: max(n, saved[name]) for name, n in known.items()}
    except (sqlite3.Error, OSError) as error:
        if isinstance(error, OSError) or "is full" in str(error):
            raise explain(path, error) from error
        raise StoreError(
            f"{path}: nothing can be saved: {error}", "restore it from a backup, or use another run.directory"
        ) from error


def _make_tables(db: sqlite3.Connection, statements: Iterable[str]) -> None:
    """The tables of an earlier format as the file describes them: one statement each, and nothing but tables."""
    for sql in statements:
        if sql.split(None, 2)[:2] != ["CREATE", "TABLE"]:
            raise sqlite3.DatabaseError(f"no table: {sql[:40]!r}")
        try:
            db.execute(sql)
        except sqlite3.Warning as error:  # several statements, as some versions of Python tell it
            raise sqlite3.DatabaseError(str(error)) from error


def _set_right(directory: Path, lock: Lock, known: dict[str, int], kept: str) -> str:
    """What was lost leaves gaps: labels without samples mean nothing, and samples without labels wait again."""
    store = Store(directory, write=True, lock=lock)
    try:
        gaps = forget_lost_schemas(store)
        gaps += _delete_changed(store)
        gaps += [
            f"{n} {table} of samples that are lost"
            for table in ("labels", "quarantine", "attempts")
            if (n := _delete_orphans(store, table))
        ]
        unlabelled = _count(store, "samples WHERE state = 'labelled' AND id NOT IN (SELECT sample FROM labels)")
        if unlabelled:
            gaps.append(f"the labels of {unlabelled} samples, which wait again")
        set_states_right(store)
        missing = _missing(store)
        gaps += [f"up to {missing} samples (numbers that are not there; dropped ones never were)"] if missing else []
        text = f"saved {_saved(store, known)}; the damaged file is kept as {kept}; lost: "
        text += ", ".join(gaps) or "nothing that is known of"
        store.note("doctor", f"the store was damaged: {text}")
    finally:
        store.close()
    return text


def _saved(store: Store, known: dict[str, int]) -> str:
    """How much of every table is there now, and was before where it was more."""
    now = {name: _count(store, name) for name in _TOLD if known.get(name)}
    parts = [f"{n} of {known[name]} {name}" if known[name] > n else f"{n} {name}" for name, n in now.items()]
    return ", ".join(parts) or "no rows"


def _missing(store: Store) -> int:
    numbers = {int(r[0]) for r in store._run("SELECT id FROM samples")}
    highest = max(numbers, default=0)
    return 0 if highest - len(numbers) > _MANY else highest - len(numbers)


def _delete_changed(store: Store) -> list[str]:
    """Rows whose content isn't what was stored; better none than a wrong one."""
    samples, labels = changed_samples(store), misfits(store, "labels")
    for number in samples:
        store._write("DELETE FROM samples WHERE id = ?", number)
    for number in labels:
        store._write("DELETE FROM labels WHERE sample = ?", number)
    for number in misfits(store, "quarantine"):
        store._write("UPDATE quarantine SET data = NULL WHERE sample = ?", number)
    for number in misfits(store, "expected"):
        store._write("UPDATE samples SET expected = NULL WHERE id = ?", number)
    said = [(len(samples), "samples whose content had changed"), (len(labels), "labels that were not whole")]
    return [f"{n} {what}" for n, what in said if n]


def _count(store: Store, what: str) -> int:
    return int(store._run(f"SELECT COUNT(*) FROM {what}")[0][0])  # noqa: S608


def _delete_orphans(store: Store, table: str) -> int:
    condition = "WHERE sample NOT IN (SELECT id FROM samples)"
    count = _count(store, f"{table} {condition}")
    store._write(f"DELETE FROM {table} {condition}")  # noqa: S608
    return count
