"""Looks at the store: the file as such, its format, and whether its tables agree with each other."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from functools import partial
from pathlib import Path

from pal_core.doctor.contents import changed_samples, lost_schemas, misfits
from pal_core.doctor.findings import Finding, note, ok, problem
from pal_core.doctor.recover import recover
from pal_core.doctor.states import STATES, set_states_right
from pal_core.store.faults import DamagedStore, OldStore, StoreError
from pal_core.store.filesystem import filesystem_of, is_network
from pal_core.store.lock import Lock
from pal_core.store.store import FILE_NAME, Store

__all__ = ["look_at_database"]

_NAMED = 5
_ENTRIES = 1000
_REPAIR = "pal doctor --repair"
_ADVICE = f"save what can be read, the damaged file is kept: {_REPAIR}"


def look_at_database(directory: Path, live: bool) -> list[Finding]:
    """Everything about ``pal.sqlite``."""
    mend = partial(recover, directory)
    try:
        store = Store(directory)
    except OldStore as error:
        return [problem("store", error.message, error.hint, partial(_open_and_close, directory))]
    except DamagedStore as error:
        return [problem("store", error.message, error.hint, mend)]
    except StoreError as error:
        unfinished = partial(_open_and_close, directory) if _left_open(directory) else None
        return [problem("store", error.message, error.hint, unfinished)]
    with contextlib.closing(store):
        return _look_at_tables(store, live)


def _look_at_tables(store: Store, live: bool) -> list[Finding]:
    mend = partial(recover, store.directory)
    try:
        sound = list(_integrity(store))
        if any(f.severity == "problem" for f in sound):
            return sound
        _read_through(store)
        return [*sound, *_orphans(store), *_states(store), *_contents(store), *_log(store, live)]
    except DamagedStore as error:
        return [problem("store", error.message, _ADVICE, mend)]
    except StoreError as error:
        return [problem("store", error.message, error.hint)]
    except (TypeError, ValueError, OverflowError, sqlite3.Error) as error:  # values of other kinds than PAL writes
        return [problem("store", f"{FILE_NAME} is damaged: {error}", _ADVICE, mend)]


def _read_through(store: Store) -> None:
    """What every run reads when it goes on, so that damage in it is told here."""
    store.sets()
    store.sessions()
    store.rounds()
    store.history()
    store.waiting()
    store.quarantined()
    store.journal(_ENTRIES)
    if not lost_schemas(store):
        _ = store.schemas, store.expected_schema


def _integrity(store: Store) -> Iterator[Finding]:
    faults = store.faults()
    if faults:
        text = f"{FILE_NAME} is damaged: {faults[0]}" + (f" (and {len(faults) - 1} more)" if faults[1:] else "")
        yield problem("store", text, _ADVICE, partial(recover, store.directory))
        return
    yield ok("store", f"{FILE_NAME} is sound: {store.told()}")


def _orphans(store: Store) -> Iterator[Finding]:
    tables = [str(r[0]) for r in store._run("PRAGMA foreign_key_check")]
    for table in sorted(set(tables)):
        text = f"{tables.count(table)} rows of table {table} belong to samples that are gone"
        if table == "attempts":
            yield problem("store", text, _REPAIR, partial(_remove_orphans, store.directory))
        else:
            yield problem("store", text, "labels are not thrown away: restore pal.sqlite from a backup")


def _states(store: Store) -> Iterator[Finding]:
    for what, (condition, _) in STATES.items():
        # The conditions stand above.
        numbers = [int(r[0]) for r in store._run(f"SELECT id FROM samples WHERE {condition}")]  # noqa: S608
        if numbers:
            text = f"{len(numbers)} samples are {what}: {_named(numbers)}"
            yield problem("store", text, f"set right: {_REPAIR}", partial(_mend_states, store.directory))
    ahead = store._run("SELECT COUNT(*) FROM samples WHERE state = 'ahead'")[0][0]
    if ahead:
        yield note("store", f"{ahead} samples are kept ahead of the set that the run was rewound to", "pal run goes on")


def _contents(store: Store) -> Iterator[Finding]:
    if lost_schemas(store):
        text = "the schemas of samples and labels were lost with a damaged store"
        yield note("store", text, "pal run writes them again, as its kernels say")
    advice = f"restore {FILE_NAME} from a backup, or go on without these: {_REPAIR}"
    mend = partial(recover, store.directory)
    for numbers, what in (
        (changed_samples(store), "samples are not what was stored"),
        (misfits(store, "labels"), "labels can't be read, of the samples"),
        (misfits(store, "quarantine"), "refused labels can't be read, of the samples"),
    ):
        if numbers:
            yield problem("store", f"{len(numbers)} {what}: {_named(numbers)}", advice, mend)


def _named(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers[:_NAMED])) + (" ..." if len(numbers) > _NAMED else "")


def _log(store: Store, live: bool) -> Iterator[Finding]:
    name = filesystem_of(store.directory)
    if store.journal_mode == "wal" and is_network(name):
        text = f"{FILE_NAME} has a write-ahead log, which doesn't work on {name}"
        yield problem("store", text, _REPAIR, partial(_open_and_close, store.directory))
    if not live and _left_open(store.directory):
        text = "the last writer was cut short; what it has committed is safe"
        yield note("store", text, f"pal run goes on, or {_REPAIR}", partial(_open_and_close, store.directory))
    last = store.sessions()[-1:]
    if last and last[0]["outcome"] is None and not live:
        yield note("session", f"session {last[0]['id']} ended without a word", "pal run goes on")


def _left_open(directory: Path) -> bool:
    beside = [directory / f"{FILE_NAME}{end}" for end in ("-wal", "-journal")]
    return any(p.exists() and p.stat().st_size for p in beside)


def _open_and_close(directory: Path, lock: Lock) -> str:
    """Opening for writing upgrades, undoes half a commit and chooses the journal mode; closing empties the log."""
    store = Store(directory, write=True, lock=lock)
    notes = store.notes
    store.close()
    return "; ".join(["opened and closed in order", *notes])


def _remove_orphans(directory: Path, lock: Lock) -> str:
    return _change(
        directory, lock, "DELETE FROM attempts WHERE sample NOT IN (SELECT id FROM samples)", "attempts removed"
    )


def _mend_states(directory: Path, lock: Lock) -> str:
    store = Store(directory, write=True, lock=lock)
    try:
        set_states_right(store)
        store.note("doctor", "states of samples were set right")
    finally:
        store.close()
    return "set right"


def _change(directory: Path, lock: Lock, sql: str, what: str) -> str:
    store = Store(directory, write=True, lock=lock)
    try:
        store._write(sql)
        store.note("doctor", what)
    finally:
        store.close()
    return what
