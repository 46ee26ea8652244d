"""Finding and ending processes, with real ones."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pal_core.launch import directory
from pal_core.launch.directory import clear_orphans
from pal_core.launch.names import TOKEN_VARIABLE
from pal_core.launch.processes import LAUNCHER_FILE, Owner, end_descendants, living_descendants
from pal_core.proc import is_alive, started_at

pytestmark = pytest.mark.skipif(not sys.platform.startswith("linux"), reason="needs /proc")
TOKEN = "0123456789abcdef01234567"  # noqa: S105
STUBBORN = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(1000)"


@pytest.fixture
def descendant():
    """A process that has inherited the token, in a session of its own, and ignores SIGTERM."""
    process = subprocess.Popen(
        [sys.executable, "-c", STUBBORN],
        env={**os.environ, TOKEN_VARIABLE: TOKEN},
        start_new_session=True,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.readline()
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_descendants_are_found_by_the_token_and_killed(descendant):
    assert living_descendants(TOKEN) == [descendant.pid]
    assert living_descendants(f"{TOKEN} and more") == []
    assert end_descendants(TOKEN) == 1
    assert descendant.wait(5) == -signal.SIGKILL
    assert end_descendants(TOKEN) == 0


def test_those_that_end_by_themselves_are_left_to_it(descendant):
    os.kill(descendant.pid, signal.SIGKILL)  # not waited for: dead all the same
    assert end_descendants(TOKEN, patience=5.0) == 0


def test_process_that_nobody_has_waited_for_does_not_live(descendant):
    assert is_alive(descendant.pid)
    os.kill(descendant.pid, signal.SIGKILL)
    end = time.monotonic() + 5
    while is_alive(descendant.pid):
        assert time.monotonic() < end
    assert Path(f"/proc/{descendant.pid}").exists()  # a zombie


def test_number_that_was_given_again_is_another_process():
    assert is_alive(os.getpid(), started_at(os.getpid()))
    assert not is_alive(os.getpid(), "1")


class TestOwner:
    """Whose ranks a directory has."""

    def test_signature_is_read_and_removed_by_its_owner_only(self, tmp_path):
        owner = Owner.me(TOKEN)
        assert Owner.of(tmp_path) is None
        owner.sign(tmp_path)
        assert Owner.of(tmp_path) == owner
        assert not owner.is_dead
        Owner.me("another token").sign_off(tmp_path)
        assert (tmp_path / LAUNCHER_FILE).exists()
        owner.sign_off(tmp_path)
        assert Owner.of(tmp_path) is None

    def test_half_a_file_is_none(self, tmp_path):
        (tmp_path / LAUNCHER_FILE).write_text('{"host": "a", ')
        assert Owner.of(tmp_path) is None

    def test_orphans_of_a_dead_launcher_are_ended_after_a_while(self, tmp_path, descendant, monkeypatch):
        monkeypatch.setattr(directory, "ORPHANS_PATIENCE", 0.1)
        mine = Owner.me(TOKEN)
        Owner(mine.host, mine.pid, "1", TOKEN).sign(tmp_path)
        said = []
        clear_orphans(tmp_path, said.append)
        assert descendant.wait(5) == -signal.SIGKILL
        assert said == [f"ended 1 processes that an earlier pal run (pid {mine.pid}, died) has left in {tmp_path}"]
        assert Owner.of(tmp_path) is None

    @pytest.mark.parametrize("host", ["", "another-machine"])
    def test_nothing_is_done_to_those_of_a_living_launcher_or_of_another_machine(self, tmp_path, descendant, host):
        mine = Owner.me(TOKEN)
        Owner(host or mine.host, mine.pid, "1" if host else mine.started, TOKEN).sign(tmp_path)
        clear_orphans(tmp_path, print)
        assert descendant.poll() is None
        assert (tmp_path / LAUNCHER_FILE).exists()
