"""Opening, locking, readers, and what the errors of SQLite look like."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pal_core.store.store import FILE_NAME, Store, StoreError


def test_missing_run_is_not_made_by_reading(tmp_path):
    with pytest.raises(StoreError, match=r"holds no run \(pal.sqlite is missing or empty\); start one: pal run"):
        Store(tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_file_that_was_begun_and_no_more_is_filled_by_the_next_writer(tmp_path):
    # A writer that is killed at the wrong moment leaves an empty file behind.
    sqlite3.connect(tmp_path / FILE_NAME).execute("PRAGMA journal_mode = WAL").fetchone()
    with pytest.raises(StoreError, match="holds no run"):
        Store(tmp_path)
    store = Store(tmp_path, write=True)
    assert store.meta("format") == "2"
    store.close()


def test_store_is_found_again_with_what_was_committed(tmp_path):
    store = Store(tmp_path, write=True)
    store.set_meta("key", "value")
    store.commit()
    store.set_meta("key", "other")
    store.close(commit=False)
    store = Store(tmp_path, write=True)
    assert store.meta("key") == "value"
    store.set_meta("key", "third")
    store.close()
    assert Store(tmp_path).meta("key") == "third"


def test_second_writer_is_refused_with_the_name_of_the_first(tmp_path):
    store = Store(tmp_path, write=True)
    for _ in range(2):
        with pytest.raises(StoreError) as error:
            Store(tmp_path, write=True)
        assert error.value.message.startswith(f"{tmp_path} is in use by pid {os.getpid()} on ")
        assert error.value.hint == f"stop that run first: pal stop {tmp_path}"
    store.close()
    Store(tmp_path, write=True).close()


def test_lock_of_a_process_that_was_killed_is_free(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from pal_core.store.store import Store\n"
        "store = Store(Path(sys.argv[1]), True); os.kill(os.getpid(), 9)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False, timeout=60)
    assert done.returncode == -9
    assert "pid" in (tmp_path / "lock").read_text()
    Store(tmp_path, write=True).close()


def test_newer_format_is_refused_and_lets_go_of_the_lock(tmp_path):
    store = Store(tmp_path, write=True)
    store.set_meta("format", "3")
    store.close()
    for write in (False, True, True):
        with pytest.raises(StoreError, match="has format 3, this pal-core knows 2; update pal-core"):
            Store(tmp_path, write=write)


def test_other_file_of_that_name_is_refused(tmp_path):
    (tmp_path / FILE_NAME).write_bytes(b"nothing of the kind" * 100)
    for write in (False, True, True):
        with pytest.raises(StoreError, match=r"pal.sqlite is damaged: file is not a database; .* pal doctor --repair"):
            Store(tmp_path, write=write)


def test_directory_that_cannot_be_written_to_is_explained(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(
        StoreError, match=r"can't be opened or written to: .*; make .* writable for you, or use another run.directory"
    ):
        Store(tmp_path / "file", write=True)


def test_reader_sees_commits_while_the_writer_goes_on(tmp_path):
    writer = Store(tmp_path, write=True)
    reader = Store(tmp_path)
    writer.note("a", "first")
    assert reader.journal() == []
    writer.commit()
    writer.note("a", "second")
    assert [e["text"] for e in reader.journal()] == ["first"]
    writer.commit()
    assert [e["text"] for e in reader.journal()] == ["first", "second"]
    reader.close()
    writer.close()


def test_reader_cannot_write(tmp_path):
    Store(tmp_path, write=True).close()
    reader = Store(tmp_path)
    with pytest.raises(StoreError, match="readonly"):
        reader.note("a", "b")
    reader.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to become somebody who may not write")
@pytest.mark.parametrize("running", [False, True])
def test_run_of_somebody_else_can_be_read(running):
    # After the writer has closed there is no write-ahead log, and a stranger can't make one.
    folder = Path(tempfile.mkdtemp())  # pytest's own folders are closed to strangers
    try:
        folder.chmod(0o755)
        store = Store(folder, write=True)
        store.note("a", "text to be read")
        store.commit()
        if not running:
            store.close()
        code = (
            "import os, sys; from pathlib import Path; from pal_core.store.store import Store\n"
            "os.setgid(65534); os.setuid(65534)\n"
            "print(Store(Path(sys.argv[1])).journal()[0]['text'])"
        )
        done = subprocess.run(
            [sys.executable, "-c", code, str(folder)], capture_output=True, text=True, timeout=60, check=False
        )
        assert done.stdout == "text to be read\n", done.stderr
    finally:
        shutil.rmtree(folder)


def test_full_disk_is_an_error_that_names_the_file_and_keeps_what_was_committed(tmp_path):
    store = Store(tmp_path, write=True)
    store.note("a", "before")
    store.commit()
    (pages,) = store._db.execute("PRAGMA page_count").fetchone()
    store._db.execute(f"PRAGMA max_page_count = {pages}")
    with pytest.raises(
        StoreError, match=r"pal.sqlite: database or disk is full: no space is left; make room, then pal run goes on"
    ):
        store.note("a", "x" * 1_000_000)
    store.close(commit=False)
    assert [e["text"] for e in Store(tmp_path).journal()] == ["before"]


def test_removed_run_is_noticed(tmp_path):
    store = Store(tmp_path / "run", write=True)
    store.check_presence()
    shutil.rmtree(tmp_path / "run")
    with pytest.raises(StoreError, match=r"has been removed while the run was going: .*; start again"):
        store.check_presence()
    store.close()
