"""One writer per run directory, whatever the file system's locks are worth."""

from __future__ import annotations

import errno
import json
import os
import re
import subprocess
import sys
import time
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from stores import add, open_store, run_code

from pal_core.store import lock as module
from pal_core.store.lock import Holder, Lock, holder_of
from pal_core.store.store import Store, StoreError

ELSEWHERE = replace(Holder.me(), host="node17", pid=4711, place="another/computer", word="w")


@pytest.fixture
def no_flock(monkeypatch):
    """A file system whose locks don't work."""

    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(module.fcntl, "flock", refuse)


@pytest.fixture(params=["without flock", "flock of one computer"])
def weak(request, monkeypatch):
    """File systems on which the record has to decide."""
    if request.param == "without flock":
        request.getfixturevalue("no_flock")
    else:
        monkeypatch.setattr(module, "filesystem_of", lambda directory: "nfs4")


def leave(directory: Path, holder: Holder, age: float = 0.0) -> None:
    """Put a record into the lock file, renewed so many seconds ago."""
    path = directory / "lock"
    path.write_text(json.dumps(asdict(holder)))
    os.utime(path, (time.time() - age,) * 2)


def test_first_one_is_named_with_host_pid_and_start(tmp_path):
    store = Store(tmp_path, write=True)
    with pytest.raises(StoreError) as error:
        Store(tmp_path, write=True)
    who = rf"pid {os.getpid()} on {os.uname().nodename} since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d"
    assert re.fullmatch(rf"{re.escape(str(tmp_path))} is in use by {who}", error.value.message)
    assert error.value.hint == f"stop that run first: pal stop {tmp_path}"
    store.close()


def test_record_is_wiped_in_the_end_and_the_file_stays(tmp_path):
    lock = Lock(tmp_path)
    assert holder_of(tmp_path) == (lock.me, True)
    lock.release()
    assert holder_of(tmp_path) is None
    assert (tmp_path / "lock").exists()


def test_without_a_lock_file_nobody_holds_the_run(tmp_path):
    assert holder_of(tmp_path) is None


def test_killed_holder_is_taken_over_and_the_journal_says_so(tmp_path):
    code = (
        "import os, sys; from pathlib import Path; from stores import open_store\n"
        "store = open_store(Path(sys.argv[1])); print(os.getpid(), flush=True); os.kill(os.getpid(), 9)"
    )
    pid = int(run_code(code, tmp_path).stdout)
    found, alive = holder_of(tmp_path)
    assert (found.pid, alive) == (pid, False)
    store = open_store(tmp_path)
    (entry,) = store.journal()
    assert entry["text"] == f"took over the lock of {found}, which has ended without a word"
    store.close()


@pytest.mark.usefixtures("weak")
class TestWithoutLocks:
    """The record decides."""

    def test_second_process_on_this_computer_is_refused(self, tmp_path):
        code = (
            "import sys, time; from pathlib import Path; from stores import open_store\n"
            "store = open_store(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.read()"
        )
        path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
        first = subprocess.Popen(
            [sys.executable, "-c", code, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
        )
        assert first.stdout.readline() == b"ready\n"
        os.utime(tmp_path / "lock", (0, 0))  # however silent: it lives
        with pytest.raises(StoreError, match=f"is in use by pid {first.pid} on .*; stop that run first"):
            Store(tmp_path, write=True)
        first.kill()
        first.wait()
        Store(tmp_path, write=True).close()

    def test_process_number_that_was_given_to_another_is_no_holder(self, tmp_path):
        leave(tmp_path, replace(Holder.me(), start="12"))
        store = Store(tmp_path, write=True)
        assert store.notes[0].startswith(f"took over the lock of pid {os.getpid()}")
        store.close()

    def test_holder_elsewhere_that_gives_signs_of_life_is_refused(self, tmp_path):
        leave(tmp_path, ELSEWHERE, age=20)
        with pytest.raises(StoreError) as error:
            Store(tmp_path, write=True)
        assert "is in use by pid 4711 on node17 since " in error.value.message
        assert re.search(r"which gave a sign of life (19|20|21) s ago$", error.value.message)
        assert error.value.hint.endswith("if it has died, try again in 60 s")
        assert holder_of(tmp_path) == (ELSEWHERE, True)

    def test_holder_elsewhere_that_has_fallen_silent_is_taken_over(self, tmp_path):
        leave(tmp_path, ELSEWHERE, age=70)
        assert holder_of(tmp_path) == (ELSEWHERE, False)
        store = Store(tmp_path, write=True)
        assert store.notes[0].startswith("took over the lock of pid 4711 on node17 since ")
        store.close()

    def test_of_two_that_take_it_at_once_one_gives_way(self, tmp_path, monkeypatch):
        def other(seconds: float) -> None:
            leave(tmp_path, ELSEWHERE)

        monkeypatch.setattr(module.time, "sleep", other)
        with pytest.raises(StoreError, match="was taken over by pid 4711 on node17"):
            Lock(tmp_path)
        assert holder_of(tmp_path) == (ELSEWHERE, True)


class TestRenewal:
    """Once a second, and at every commit if that is rarer."""

    def test_commit_renews_the_lock_about_once_a_second(self, tmp_path, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        store = open_store(tmp_path)
        path = tmp_path / "lock"
        for step, renewed in ((0.5, False), (0.4, False), (0.2, True)):
            os.utime(path, (0, 0))
            now[0] += step
            store.commit()
            assert (path.stat().st_mtime > 0) is renewed
        store.close()

    def test_who_was_taken_over_writes_no_more(self, tmp_path, monkeypatch):
        now = [1000.0]
        monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
        store = open_store(tmp_path)
        add(store, 1)
        store.commit()
        add(store, 2)
        leave(tmp_path, ELSEWHERE)
        now[0] += 100
        with pytest.raises(StoreError) as error:
            store.commit()
        assert re.search(
            r"was taken over by pid 4711 on node17 since .*: pid \d+ on .* writes no more", str(error.value)
        )
        with pytest.raises(StoreError, match="was taken over"):
            add(store, 3)
        store.close()
        assert holder_of(tmp_path) == (ELSEWHERE, True), "the other's record stays"
        assert [s.id for s in Store(tmp_path).waiting()] == [1]

    def test_lock_file_that_was_removed_is_made_anew(self, tmp_path):
        lock = Lock(tmp_path)
        (tmp_path / "lock").unlink()
        lock.renew(at_once=True)
        assert holder_of(tmp_path) == (lock.me, True)
        with pytest.raises(StoreError, match="is in use by"):
            Lock(tmp_path)
        lock.release()

    def test_reader_has_no_lock_to_renew(self, tmp_path):
        open_store(tmp_path).close()
        reader = Store(tmp_path)
        reader.touch_lock()
        reader.close()
        assert holder_of(tmp_path) is None

    def test_removed_run_directory_is_told(self, tmp_path):
        lock = Lock(tmp_path / "run")
        (tmp_path / "run" / "lock").unlink()
        (tmp_path / "run").rmdir()
        with pytest.raises(StoreError, match="has been removed while the run was going; start again"):
            lock.renew(at_once=True)
        lock.release()
