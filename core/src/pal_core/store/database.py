"""The SQLite file of a run: opened for one writer or for readers, with errors that say what to do."""

from __future__ import annotations

import fcntl
import os
import socket
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from pal_core.errors import PalError
from pal_core.store.tables import FORMAT, TABLES

__all__ = ["FILE_NAME", "Database", "StoreError"]

FILE_NAME = "pal.sqlite"


class StoreError(PalError):
    """The store can't be used as asked."""


class Database:
    """Tables of `TABLES` in a run directory.

    Parameters
    ----------
    directory : Path
        The run directory.
    write : bool
        Whether this is the writer; creates the file if there is none, and locks the directory.

    Raises
    ------
    StoreError
        If there is nothing to read, another process writes, or a newer PAL wrote it. Every method raises it if SQLite
        fails.
    """

    def __init__(self, directory: Path, write: bool = False) -> None:
        self.directory = directory
        self.path = directory / FILE_NAME
        self._lock: IO[str] | None = None
        if write:
            self._lock = _lock(directory)
        elif not self.path.exists():
            raise _no_run(directory)
        try:
            with self._explained():
                self._db = self._connect("mode=rwc") if write else self._connect_to_read()
            self._prepare(write)
        except BaseException:
            self.close(commit=False)
            raise

    def _connect(self, how: str) -> sqlite3.Connection:
        db = sqlite3.connect(f"{self.path.absolute().as_uri()}?{how}", uri=True, isolation_level=None)
        db.execute("PRAGMA busy_timeout = 10000")
        return db

    def _connect_to_read(self) -> sqlite3.Connection:
        """A reader needs the files of the write-ahead log, or may make them, or nobody writes."""
        db = self._connect("mode=ro")
        try:
            db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.OperationalError:
            db.close()
            if self.path.with_name(f"{FILE_NAME}-wal").exists():
                raise
            return self._connect("mode=ro&immutable=1")
        except sqlite3.Error:
            db.close()
            raise
        return db

    def _prepare(self, write: bool) -> None:
        if write:
            self._run("PRAGMA journal_mode = WAL")
            self._run("PRAGMA synchronous = NORMAL")
        if not self._run("SELECT 1 FROM sqlite_master WHERE name = 'meta'"):
            if not write:
                raise _no_run(self.directory)
            with self._explained():
                self._db.executescript(f"BEGIN; {TABLES}")
            self.set_meta("format", str(FORMAT))
            self.commit()
        found = int(self.meta("format") or 0)
        if found > FORMAT:
            raise StoreError(f"{self.path} has format {found}, this pal-core knows {FORMAT}", "update pal-core")

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StoreError(
                f"{self.path}: {error}",
                "is the disk full, or the run directory not writable? What was stored before is safe: pal run goes on",
            ) from error

    def _run(self, sql: str, values: Sequence[Any] = ()) -> list[Any]:
        with self._explained():
            return self._db.execute(sql, values).fetchall()

    def _records(self, sql: str, values: Sequence[Any] = ()) -> list[dict[str, Any]]:
        with self._explained():
            cursor = self._db.execute(sql, values)
            names = [c[0] for c in cursor.description]
            return [dict(zip(names, row, strict=True)) for row in cursor]

    def _write(self, sql: str, *values: Any) -> int:
        """Change something within a transaction; returns the number of a new row."""
        with self._explained():
            if not self._db.in_transaction:
                self._db.execute("BEGIN IMMEDIATE")
            return int(self._db.execute(sql, values).lastrowid or 0)

    def commit(self) -> None:
        """Make everything since the last commit durable."""
        if self._db.in_transaction:
            self._run("COMMIT")

    def check_presence(self) -> None:
        """Make sure that the file hasn't been removed: SQLite would go on writing to what nobody can read any more.

        Raises
        ------
        StoreError
            If it is gone.
        """
        if not self.path.exists():
            raise StoreError(
                f"{self.path} has been removed while the run was going: what it labels would be lost",
                "start again: pal run SETTINGS",
            )

    def close(self, commit: bool = True) -> None:
        """Commit, or forget what was not committed, and release the file and its lock."""
        db: sqlite3.Connection | None = getattr(self, "_db", None)
        try:
            if db is not None and commit:
                self.commit()
        finally:
            if db is not None:
                db.close()
            if self._lock is not None:
                self._lock.close()

    def meta(self, key: str) -> str | None:
        """A value of the table ``meta``."""
        rows = self._run("SELECT value FROM meta WHERE key = ?", [key])
        return str(rows[0][0]) if rows else None

    def set_meta(self, key: str, value: str) -> None:
        """Write a value of the table ``meta``."""
        self._write("INSERT OR REPLACE INTO meta VALUES (?, ?)", key, value)


def _no_run(directory: Path) -> StoreError:
    return StoreError(f"{directory} holds no run ({FILE_NAME} is missing or empty)", "start one: pal run SETTINGS")


def _lock(directory: Path) -> IO[str]:
    """Make the run directory and hold it against a second writer."""
    try:
        directory.mkdir(parents=True, exist_ok=True)
        file = (directory / "lock").open("a+")
        try:
            _hold(directory, file)
        except BaseException:
            file.close()
            raise
    except OSError as error:
        raise StoreError(
            f"{directory} can't be locked and written to: {error}", "use another run.directory, or make it writable"
        ) from error
    return file


def _hold(directory: Path, file: IO[str]) -> None:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        file.seek(0)
        owner = file.read().strip() or "an unknown process"
        raise StoreError(f"{directory} is in use by {owner}", f"stop that run first: pal stop {directory}") from error
    file.seek(0)
    file.truncate()
    file.write(f"pid {os.getpid()} on {socket.gethostname()} since {time.strftime('%Y-%m-%d %H:%M:%S')}\n")
    file.flush()
