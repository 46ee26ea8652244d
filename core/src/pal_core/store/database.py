"""The SQLite file of a run: opened for one writer or for readers, with errors that say what to do."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pal_core.reading import parse_json
from pal_core.store.faults import DamagedStore, OldStore, StoreError, explain
from pal_core.store.filesystem import wal_obstacle
from pal_core.store.guarded import distrust, refuse_code
from pal_core.store.links import refuse_links_out
from pal_core.store.lock import Lock
from pal_core.store.tables import FORMAT, TABLES
from pal_core.store.upgrade import upgrade

__all__ = ["FILE_NAME", "Database", "StoreError", "connect", "connect_to_read"]

FILE_NAME = "pal.sqlite"
_WAIT = 10_000  # ms
_DIGITS = 10
_MALFORMED = "malformed database schema"
_PAUSE, _PAUSES = 0.05, 40
Values = Sequence[Any] | Mapping[str, Any]
T = TypeVar("T")


class Database:
    """Tables of `TABLES` in a run directory.

    Parameters
    ----------
    directory : Path
        The run directory.
    write : bool
        Whether this is the writer; creates the file if there is none, upgrades one of an earlier format, and locks
        the directory.
    lock : Lock, optional
        The directory's lock, if the caller holds it already, and will go on holding it.

    Attributes
    ----------
    notes : list of str
        What the journal should tell of the opening.
    journal_mode : str
        SQLite's word for how transactions are kept: ``"wal"``, or ``"truncate"`` where that doesn't work.

    Raises
    ------
    StoreError
        If there is nothing to read, another process writes, or a newer PAL wrote it. Every method raises it if SQLite
        fails; a writer that has failed once rolls its transaction back and writes no more.
    """

    def __init__(self, directory: Path, write: bool = False, lock: Lock | None = None) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self.session = 0
        self.notes: list[str] = []
        self.journal_mode = ""
        self._lock = lock
        self._borrowed = lock is not None
        self._failed: StoreError | None = None
        if write:
            if lock is None:
                refuse_links_out(directory)
            self._lock = lock or Lock(directory)
            if self._lock.taken_over is not None:
                self.notes.append(f"took over the lock of {self._lock.taken_over}, which has ended without a word")
        elif not self.path.exists():
            raise _no_run(directory)
        try:
            with self._explained():
                self._open_to_write() if write else self._open_to_read()
            self._prepare(write)
        except BaseException:
            self.close(commit=False)
            raise

    def _open_to_read(self) -> None:
        self._db = connect_to_read(self.path)
        self.journal_mode = str(self._db.execute("PRAGMA journal_mode").fetchone()[0])

    def _open_to_write(self) -> None:
        _refuse_lost_file(self.path)
        obstacle = wal_obstacle(self.directory)
        self._db = connect(self.path, "mode=rwc")
        self.journal_mode = _to_truncate(self._db) if obstacle else _to_wal(self._db)
        if self.journal_mode != "wal":
            why = obstacle or "a write-ahead log was refused"
            self.notes.append(
                f"{why}: journal mode {self.journal_mode} with synchronous = FULL instead, commits take longer"
            )
        # SQLite opens a file that it may not write to, and says so at the first change.
        self._db.execute("BEGIN")
        self._db.execute("PRAGMA user_version = 0")
        self._db.execute("ROLLBACK")
        self._file = self.path.stat()

    def _prepare(self, write: bool) -> None:
        with self._explained():
            refuse_code(self._db, self.path)
        if not self._run("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
            if not write:
                raise _no_run(self.directory)
            with self._explained():
                self._db.executescript(f"BEGIN; {TABLES}")
            self.set_meta("format", str(FORMAT))
            self.commit()
        found = self._format()
        if found > FORMAT:
            raise StoreError(f"{self.path} has format {found}, this pal-core knows {FORMAT}", "update pal-core")
        if found < FORMAT and not write:
            raise OldStore(
                f"{self.path} has format {found}, this pal-core reads {FORMAT}",
                f"upgrade it: go on with the run (pal run SETTINGS), or pal doctor --repair {self.directory}",
            )
        if found < FORMAT:
            with self._explained():
                upgrade(self._db, found)
            self.notes.append(f"the store was upgraded from format {found} to {FORMAT}")

    def _format(self) -> int:
        text = self.meta("format") or "0"
        if not (text.isdecimal() and len(text) < _DIGITS and int(text) > 0):
            raise self.damaged(f"its format is {text[:40]!r}")
        return int(text)

    def damaged(self, what: str) -> DamagedStore:
        """The error for content that PAL can't have written."""
        return DamagedStore(
            f"{self.path} is damaged, or not PAL's: {what}", f"look closer: pal doctor {self.directory}"
        )

    def _json(self, text: Any, what: str) -> Any:
        try:
            return parse_json(text)
        except (TypeError, ValueError) as error:
            raise self.damaged(f"{what} can't be read ({error})") from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        except UnicodeDecodeError as error:  # SQLite quotes a damaged schema
            raise explain(self.path, sqlite3.DatabaseError(_MALFORMED)) from error

    def _run(self, sql: str, values: Values = ()) -> list[Any]:
        with self._explained():
            return self._patiently(lambda: self._db.execute(sql, values).fetchall())

    def _records(self, sql: str, values: Values = ()) -> list[dict[str, Any]]:
        def read() -> list[dict[str, Any]]:
            cursor = self._db.execute(sql, values)
            names = [c[0] for c in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

        with self._explained():
            return self._patiently(read)

    def _patiently(self, read: Callable[[], T]) -> T:
        """Where locks don't reach another computer, a reader may come upon a commit that isn't finished."""
        return read() if self._lock is not None else patiently(read)

    def _write(self, sql: str, *values: Any) -> int:
        """Change something within a transaction; returns the number of a new row."""
        with self._all_or_nothing():
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            return int(self._db.execute(sql, values).lastrowid or 0)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        """After a failure half a transaction must never be committed: forget it, and write no more."""
        if self._failed is not None:
            raise self._failed
        try:
            with self._explained():
                yield
        except StoreError as error:
            self._failed = error
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            raise

    def commit(self) -> None:
        """Make everything since the last commit durable, and renew the lock."""
        self.touch_lock()
        self._commit()

    def _commit(self) -> None:
        with self._all_or_nothing():
            if self._db.in_transaction:
                self._db.execute("COMMIT")

    def synchronise(self) -> None:
        """Wait until what has been committed is on the disk, so that it survives a power cut too."""
        wal = self.path.with_name(f"{FILE_NAME}-wal")
        with contextlib.suppress(FileNotFoundError), wal.open("rb") as file:
            os.fsync(file.fileno())

    def faults(self, limit: int = 20) -> list[str]:
        """What SQLite finds wrong with the file as such, a line each; reads all of it."""
        said = [line for row in self._run(f"PRAGMA integrity_check({limit:d})") for line in str(row[0]).splitlines()]
        return [] if said == ["ok"] else [line for line in said if not line.startswith("***")] or said

    def touch_lock(self) -> None:
        """Say that this writer lives; to be called once a second or more often. `commit` does.

        Raises
        ------
        StoreError
            If another process has taken the run over: nothing more is written then.
        """
        if self._lock is None:
            return
        try:
            self._lock.renew()
        except StoreError as error:
            self._failed = error
            with contextlib.suppress(sqlite3.Error):
                self._db.rollback()
            raise

    def check_presence(self) -> None:
        """Make sure that the file hasn't been removed: SQLite would go on writing to what nobody can read any more.

        Raises
        ------
        StoreError
            If it is gone, or another has its name.
        """
        with contextlib.suppress(FileNotFoundError):
            if os.path.samestat(self.path.stat(), self._file):
                return
        raise StoreError(
            f"{self.path} has been removed while the run was going: what it labels would be lost",
            "start again: pal run SETTINGS",
        )

    def close(self, commit: bool = True) -> None:
        """Commit, or forget what was not committed, and release the file and its lock."""
        db: sqlite3.Connection | None = getattr(self, "_db", None)
        try:
            if db is not None and commit and self._failed is None:
                self._commit()
        finally:
            if db is not None:
                db.close()
            if self._lock is not None and not self._borrowed:
                self._lock.release()

    def meta(self, key: str) -> str | None:
        """A value of the table ``meta``."""
        rows = self._run("SELECT value FROM meta WHERE key = ?", [key])
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a value of the table ``meta``."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)


def connect(path: Path, how: str) -> sqlite3.Connection:
    """A connection in autocommit mode; `how` is the query part of SQLite's URI, e.g. ``"mode=ro"``."""
    db = sqlite3.connect(f"{path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
    db.execute(f"PRAGMA busy_timeout = {_WAIT}")
    distrust(db)
    return db


def connect_to_read(path: Path) -> sqlite3.Connection:
    """A reader needs the files of the write-ahead log, or may make them, or nobody writes."""
    db = connect(path, "mode=ro")
    try:
        patiently(lambda: db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone())
    except sqlite3.OperationalError:
        db.close()
        if _size(path, "-wal") is not None or _size(path, "-journal"):
            raise
        return connect(path, "mode=ro&immutable=1")
    except sqlite3.Error:
        db.close()
        raise
    except UnicodeDecodeError as error:
        db.close()
        raise sqlite3.DatabaseError(_MALFORMED) from error
    return db


def patiently(read: Callable[[], T]) -> T:
    """Try again while SQLite wants to undo a commit that may only just be going on elsewhere."""
    for _ in range(_PAUSES):
        try:
            return read()
        except sqlite3.OperationalError as error:
            if "readonly" not in str(error):
                raise
            time.sleep(_PAUSE)
    return read()


def _to_wal(db: sqlite3.Connection) -> str:
    (mode,) = db.execute("PRAGMA journal_mode = WAL").fetchone()
    db.execute(f"PRAGMA synchronous = {'NORMAL' if mode == 'wal' else 'FULL'}")
    return str(mode)


def _to_truncate(db: sqlite3.Connection) -> str:
    """Without shared memory a database in WAL mode can only be opened exclusively, which must be said first."""
    db.execute("PRAGMA locking_mode = EXCLUSIVE")
    (mode,) = db.execute("PRAGMA journal_mode = TRUNCATE").fetchone()
    db.execute("PRAGMA locking_mode = NORMAL")
    db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()  # lets go of the exclusive lock
    db.execute("PRAGMA synchronous = FULL")
    db.execute("PRAGMA cache_spill = OFF")  # readers are kept out during the commit only
    return str(mode)


def _size(path: Path, end: str) -> int | None:
    beside = path.with_name(path.name + end)
    return beside.stat().st_size if beside.exists() else None


def _refuse_lost_file(path: Path) -> None:
    """SQLite would throw away the log of a database that is gone, and with it what can still be saved."""
    ends = [e for e in ("-wal", "-journal") if _size(path, e)]
    if ends and not _size(path, ""):
        raise StoreError(
            f"{path} is missing or empty, but {path.name}{ends[0]} beside it holds a part of what was stored",
            f"put {path.name} back (from a backup), or use another run.directory",
        )


def _no_run(directory: Path) -> StoreError:
    return StoreError(f"{directory} holds no run ({FILE_NAME} is missing or empty)", "start one: pal run SETTINGS")
