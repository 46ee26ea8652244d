"""Disks that are full, files that are damaged, directories that may not be written to: one error, nothing lost."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import tempfile
from pathlib import Path

import pytest
from stores import add, fill, label, open_store, root_only, run_code

from pal_core.store.database import FILE_NAME
from pal_core.store.store import Store, StoreError

FULL = r"pal\.sqlite: .*: no space is left; make room, then pal run goes on; what was stored before is safe"


@pytest.fixture
def disk(tmp_path):
    """A disk of 1 MB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", folder], check=True)
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


def fill_with_labels(store: Store) -> tuple[int, pytest.ExceptionInfo[StoreError]]:
    """Label until the disk is full; gives the last committed number and the error."""
    done = []

    def go_on() -> None:
        while len(done) < 100_000:
            add(store, len(done) + 1)
            label(store, len(done) + 1)
            store.note("test", "x" * 2000)
            store.commit()
            done.append(store)

    with pytest.raises(StoreError) as error:
        go_on()
    return len(done), error


def sound(directory: Path) -> list[int]:
    """Numbers of the labels in a store that is sound."""
    store = Store(directory)
    try:
        assert store._run("PRAGMA integrity_check") == [("ok",)]
        return store.labelled()
    finally:
        store.close()


@root_only
class TestFullDisk:
    """No room left."""

    def test_what_was_committed_stays_and_the_next_writer_goes_on(self, disk):
        run = disk / "run"
        store = open_store(run)
        filler = disk / "filler"
        filler.write_bytes(b"x" * 300_000)
        last, error = fill_with_labels(store)
        assert error.match(FULL)
        store.close()
        filler.unlink()
        assert sound(run) == list(range(1, last + 1))
        store = open_store(run)
        add(store, last + 2)
        label(store, last + 2)
        store.close()
        assert sound(run)[-1] == last + 2

    def test_after_the_error_nothing_more_is_written_not_even_half_a_transaction(self, disk):
        store = open_store(disk / "run")
        add(store, 1)
        store.commit()
        filler = fill(disk)
        label(store, 1)
        store.note("test", "x" * 1_000_000)
        with pytest.raises(StoreError, match="no space is left"):
            store.commit()
        filler.unlink()
        for change in (store.commit, lambda: store.note("a", "b"), lambda: label(store, 1)):
            with pytest.raises(StoreError, match="no space is left"):
                change()
        store.close()
        assert sound(disk / "run") == []
        assert [s.id for s in Store(disk / "run").waiting()] == [1]

    def test_checkpoint_that_finds_no_room_costs_nothing(self, disk):
        run = disk / "run"
        store = open_store(run)
        add(store, *range(1, 500))
        label(store, *range(1, 500))
        store.commit()
        before = (run / FILE_NAME).stat().st_size
        filler = fill(disk)
        store.close()  # SQLite wants to empty the log now
        assert (run / FILE_NAME).stat().st_size == before, "there was room for the checkpoint"
        assert (run / f"{FILE_NAME}-wal").stat().st_size > 0
        filler.unlink()
        open_store(run).close()
        assert sound(run) == list(range(1, 500))

    def test_run_is_not_opened_without_room_and_opens_when_there_is_some(self, disk):
        run = disk / "run"
        store = open_store(run)
        add(store, 1)
        label(store, 1)
        store.close()
        before = (run / FILE_NAME).read_bytes()
        filler = fill(disk)
        with pytest.raises(StoreError, match="no space is left; make room, then pal run goes on"):
            open_store(run)
        with pytest.raises(StoreError, match="no space is left; make room"):
            open_store(disk / "other")
        assert (run / FILE_NAME).read_bytes() == before
        filler.unlink()
        open_store(run).close()
        open_store(disk / "other").close()
        assert sound(run) == [1]

    def test_upgrade_without_room_leaves_the_store_as_it_was(self, disk):
        from test_upgrade import make_format_1

        make_format_1(disk, samples=2000)
        filler = fill(disk)
        with pytest.raises(StoreError, match="no space is left"):
            Store(disk, write=True)
        filler.unlink()
        with sqlite3.connect(disk / FILE_NAME) as db:
            assert db.execute("SELECT value FROM meta WHERE key = 'format'").fetchone() == ("1",)
            assert "hash" not in [r[1] for r in db.execute("PRAGMA table_info(samples)")]
        Store(disk, write=True).close()
        assert len(sound(disk)) == 2000

    def test_files_that_can_be_read_only_are_explained_and_can_be_read(self, disk):
        store = open_store(disk)
        add(store, 1)
        label(store, 1)
        store.close()
        subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
        with pytest.raises(StoreError, match=r"can't be opened or written to: .*[Rr]ead-only file system.*; make .* w"):
            open_store(disk)
        assert sound(disk) == [1]


def test_limit_on_file_sizes_is_an_error_like_a_full_disk(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from stores import *\n"
        "from pal_core.store.store import StoreError\n"
        "store = open_store(Path(sys.argv[1])); add(store, 1); label(store, 1); store.commit()\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))\n"
        "try:\n"
        "    for _ in range(1000): store.note('a', 'x' * 1000); store.commit()\n"
        "except StoreError as error: print(error)\n"
    )
    done = run_code(code, tmp_path)
    assert "pal.sqlite: disk I/O error; is a quota or a limit reached" in done.stdout, done.stderr
    assert f"Look with pal doctor {tmp_path}; what was stored before is safe" in done.stdout
    open_store(tmp_path).close()
    assert sound(tmp_path) == [1]


@pytest.fixture
def open_folder():
    """A folder that strangers may look into; pytest's own are closed to them."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@root_only
@pytest.mark.parametrize("what", ["directory", "file"])
def test_run_of_somebody_else_cannot_be_gone_on_with(what, open_folder):
    folder = open_folder
    store = open_store(folder / "run")
    add(store, 1)
    label(store, 1)
    store.close()
    if what == "file":
        (folder / "run").chmod(0o777)
        (folder / "run" / "lock").chmod(0o666)
    code = (
        "import os, sys; from pathlib import Path\n"
        "from pal_core.store.store import Store, StoreError\n"
        "os.setgid(65534); os.setuid(65534)\n"
        "try: Store(Path(sys.argv[1]), write=True)\n"
        "except StoreError as error: print(error)\n"
    )
    done = run_code(code, folder / "run")
    assert "can't be opened or written to:" in done.stdout, done.stderr
    assert f"make {folder / 'run'} and its files writable for you" in done.stdout
    assert sound(folder / "run") == [1]


class TestDamage:
    """Files that are not what SQLite has written."""

    @pytest.fixture
    def path(self, tmp_path):
        store = open_store(tmp_path)
        add(store, *range(1, 400))
        label(store, *range(1, 400))
        store.close()
        return tmp_path / FILE_NAME

    @pytest.mark.parametrize("write", [False, True])
    @pytest.mark.parametrize("share", [0.1, 0.5, 0.9])
    def test_half_written_file_is_refused_and_left_as_it_is(self, path, share, write):
        os.truncate(path, int(path.stat().st_size * share))
        before = path.read_bytes()
        with pytest.raises(StoreError) as error:
            Store(path.parent, write=write)
        assert error.match(r"pal\.sqlite is damaged: database disk image is malformed; save what can be read")
        assert error.value.hint.endswith(f"pal doctor --repair {path.parent}")
        assert path.read_bytes() == before

    def test_damaged_page_is_an_error_when_it_is_read(self, path):
        content = bytearray(path.read_bytes())
        content[8192:] = os.urandom(len(content) - 8192)
        path.write_bytes(content)
        with pytest.raises(StoreError, match=r"is damaged: .*; save what can be read"):
            Store(path.parent).labelled()
        assert path.read_bytes() == content

    def test_log_that_was_cut_short_gives_an_earlier_state_and_no_invented_one(self, tmp_path):
        store = open_store(tmp_path / "run")
        for n in range(1, 100):
            add(store, n)
            label(store, n)
            store.commit()
        shutil.copytree(tmp_path / "run", tmp_path / "cut")
        store.close()
        log = tmp_path / "cut" / f"{FILE_NAME}-wal"
        os.truncate(log, log.stat().st_size // 2 + 100)
        open_store(tmp_path / "cut").close()
        found = sound(tmp_path / "cut")
        assert 0 < len(found) < 99
        assert found == list(range(1, len(found) + 1))

    def test_log_without_its_database_is_not_thrown_away(self, tmp_path):
        store = open_store(tmp_path / "run")
        add(store, 1)
        store.commit()
        shutil.copytree(tmp_path / "run", tmp_path / "lost")
        store.close()
        (tmp_path / "lost" / FILE_NAME).unlink()
        log = tmp_path / "lost" / f"{FILE_NAME}-wal"
        before = log.read_bytes()
        for _ in range(2):
            with pytest.raises(
                StoreError, match=r"pal\.sqlite is missing or empty, but pal\.sqlite-wal beside it holds"
            ):
                Store(tmp_path / "lost", write=True)
        assert log.read_bytes() == before

    def test_file_that_was_replaced_while_the_run_goes_is_noticed(self, tmp_path):
        store = open_store(tmp_path)
        store.check_presence()
        shutil.copy(tmp_path / FILE_NAME, tmp_path / "copy")
        (tmp_path / "copy").replace(tmp_path / FILE_NAME)
        with pytest.raises(StoreError, match="has been removed while the run was going"):
            store.check_presence()
        store.close()

    def test_file_held_by_another_program_is_explained(self, tmp_path, monkeypatch):
        monkeypatch.setattr("pal_core.store.database._WAIT", 100)
        store = open_store(tmp_path)
        shell = sqlite3.connect(tmp_path / FILE_NAME, isolation_level=None)
        shell.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreError, match="is held by another program: database is locked; close what has it open"):
            store.note("a", "b")
        shell.close()
        store.close()
