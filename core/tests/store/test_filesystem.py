"""File systems without a write-ahead log."""

from __future__ import annotations

import shutil
import sqlite3

import pytest
from stores import add, label, open_store

from pal_core.store import database, filesystem
from pal_core.store.database import FILE_NAME
from pal_core.store.filesystem import filesystem_of, is_network, wal_obstacle
from pal_core.store.store import Store, StoreError

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 22 0:44 / /home rw shared:7 master:1 - nfs4 server:/home rw
32 22 0:45 / /home/local rw - xfs /dev/vdb rw
33 22 0:46 / /my\040disk rw - fuse.sshfs there: rw
34 22 0:47 / /over rw - ext4 /dev/vdc rw
35 34 0:48 / /over rw - lustre mgs:/scratch rw
"""


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("/var/run1", "ext4"),
        ("/home/me/run", "nfs4"),
        ("/homework", "ext4"),
        ("/home/local/run", "xfs"),
        ("/my disk/run", "fuse.sshfs"),
        ("/over/run", "lustre"),
    ],
)
def test_file_system_is_that_of_the_longest_mount_point(path, name, tmp_path):
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS.lstrip())
    assert filesystem_of(type(tmp_path)(path), mounts) == name


def test_file_system_is_unknown_where_nothing_tells(tmp_path):
    assert filesystem_of(tmp_path, tmp_path / "nothing") == ""


@pytest.mark.parametrize("name", ["nfs", "nfs4", "lustre", "gpfs", "cifs", "smb3", "9p", "beegfs", "fuse", "fuse.ceph"])
def test_network_file_systems_are_known(name):
    assert is_network(name)


@pytest.mark.parametrize("name", ["", "ext4", "xfs", "btrfs", "tmpfs", "overlay", "zfs", "apfs"])
def test_local_file_systems_are_known(name):
    assert not is_network(name)


def test_here_a_log_works_and_the_trial_leaves_nothing_behind(tmp_path):
    assert wal_obstacle(tmp_path) == ""
    assert list(tmp_path.iterdir()) == []


def test_trial_tells_what_failed(tmp_path, monkeypatch):
    def fail(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("disk I/O error")

    monkeypatch.setattr(filesystem.sqlite3, "connect", fail)
    assert wal_obstacle(tmp_path) == "SQLite's write-ahead log failed in a trial (disk I/O error)"


@pytest.fixture
def network(monkeypatch):
    """The run directory seems to lie on a network file system."""
    monkeypatch.setattr(filesystem, "filesystem_of", lambda directory: "nfs4")


@pytest.fixture(params=["wal", "truncate"])
def mode(request):
    """Both ways to keep transactions."""
    if request.param == "truncate":
        request.getfixturevalue("network")
    return request.param


@pytest.mark.usefixtures("network")
def test_network_file_system_gets_another_journal_and_the_run_s_journal_says_so(tmp_path):
    store = open_store(tmp_path)
    assert store.journal_mode == "truncate"
    assert store._run("PRAGMA synchronous") == [(2,)]
    assert store.journal()[0]["text"] == (
        "nfs4 is a network file system, and SQLite's write-ahead log needs shared memory: journal mode truncate with "
        "synchronous = FULL instead, commits take longer"
    )
    store.close()
    assert {p.name for p in tmp_path.iterdir()} <= {FILE_NAME, f"{FILE_NAME}-journal", "lock"}


def test_log_that_sqlite_refuses_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(database, "_to_wal", database._to_truncate)
    store = open_store(tmp_path)
    assert store.journal()[0]["text"].startswith("a write-ahead log was refused: journal mode truncate")
    store.close()


def test_local_file_system_gets_a_log_without_a_word(tmp_path):
    store = open_store(tmp_path)
    assert store.journal_mode == "wal"
    assert store._run("PRAGMA synchronous") == [(1,)]
    assert store.journal() == []
    store.close()


def test_run_that_moved_to_a_network_and_back_keeps_everything(tmp_path, request):
    store = open_store(tmp_path)
    add(store, 1)
    label(store, 1)
    store.commit()
    shutil.copytree(tmp_path, tmp_path / "moved")  # with its log, as after a kill
    store.close()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(filesystem, "filesystem_of", lambda directory: "lustre")
        store = open_store(tmp_path / "moved")
        assert store.journal_mode == "truncate"
        assert store.labelled() == [1]
        add(store, 2)
        label(store, 2)
        store.close()
        reader = Store(tmp_path / "moved")
        assert (reader.journal_mode, reader.labelled()) == ("delete", [1, 2])
        reader.close()
    store = open_store(tmp_path / "moved")
    assert store.journal_mode == "wal"
    assert store.labelled() == [1, 2]
    store.close()


def test_readers_see_commits_while_the_writer_is_at_work(tmp_path, mode):
    writer = open_store(tmp_path)
    assert writer.journal_mode == mode
    reader = Store(tmp_path)
    for n in range(1, 30):
        add(writer, n)
        label(writer, n)
        writer.note("test", "x" * 3000)
        assert reader.labelled() == list(range(1, n))
        late = Store(tmp_path)
        assert late.labelled() == list(range(1, n))
        late.close()
        writer.commit()
    assert reader.labelled() == list(range(1, 30))
    reader.close()
    writer.close()


@pytest.mark.usefixtures("network")
class TestHalfACommit:
    """A writer without a log was killed while it changed the file."""

    @pytest.fixture
    def torn(self, tmp_path):
        run = tmp_path / "run"
        store = open_store(run)
        add(store, *range(1, 300))
        store.commit()
        store._db.execute("PRAGMA cache_spill = 1")
        store._db.execute("PRAGMA cache_size = 1")
        store._write("UPDATE samples SET origin = 'torn', data = zeroblob(200)")
        shutil.copytree(run, tmp_path / "torn")
        store.close(commit=False)
        journal = tmp_path / "torn" / f"{FILE_NAME}-journal"
        assert journal.stat().st_size > 0
        return tmp_path / "torn"

    def test_reader_neither_shows_nor_mends_it(self, torn, monkeypatch):
        monkeypatch.setattr(database, "_PAUSES", 2)
        before = (torn / FILE_NAME).read_bytes()
        with pytest.raises(StoreError, match="can't be opened or written to"):
            Store(torn).waiting()
        assert (torn / FILE_NAME).read_bytes() == before

    def test_writer_undoes_it(self, torn):
        store = open_store(torn)
        assert {s.origin for s in store.waiting()} == {"active"}
        assert len(store.waiting()) == 299
        store.close()

    def test_reader_waits_for_it_to_be_over(self, torn, monkeypatch):
        journal = torn / f"{FILE_NAME}-journal"
        pauses = []

        def mend(seconds: float) -> None:
            pauses.append(seconds)
            open_store(torn).close()

        monkeypatch.setattr(database.time, "sleep", mend)
        assert len(Store(torn).waiting()) == 299
        assert pauses == [0.05]
        assert not journal.exists() or not journal.stat().st_size
