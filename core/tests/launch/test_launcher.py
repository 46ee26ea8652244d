"""Starting, watching and restarting ranks, with a program in mpiexec's place that plays what may happen."""

from __future__ import annotations

import os
import shutil
import signal
import time

import pytest
from plays import write_mpiexec

from pal_core.launch import launcher as module
from pal_core.launch import ranks
from pal_core.launch.launcher import Launcher, Limits
from pal_core.launch.processes import LAUNCHER_FILE
from pal_core.launch.ways import LaunchError, Way
from pal_core.proc import is_alive
from pal_core.runtime.plan import Processes
from pal_core.store.store import Store

PROCESSES = Processes(1, 1, 1, None, None)


@pytest.fixture
def play(tmp_path, monkeypatch):
    """Run a play; the last status, the statuses shown and the lines said."""
    monkeypatch.setattr(module, "_POLL", 0.01)
    monkeypatch.setattr(module, "PAUSES", (0.01, 0.02, 0.03))
    monkeypatch.setattr(ranks, "PATIENCE", 0.3)
    directory = tmp_path / "run"

    def run(name: str, show=None, restarts: int = 0, **more):
        way = Way((str(write_mpiexec(tmp_path, directory)),), PROCESSES, 4)
        shown: list[dict] = []
        said: list[str] = []
        say = more.pop("say", said.append)
        limits = Limits(more.pop("stop", 20.0), more.pop("startup", 60.0), restarts)
        run.launcher = Launcher(way, [name], directory, threads=2, limits=limits, say=say, **more)
        status = run.launcher.run(show or shown.append)
        return status, shown, said

    run.directory = directory
    run.starts = lambda: (tmp_path / "starts").read_text().splitlines()
    return run


def ask(number: int):
    """Shows nothing, but sends this process a signal when the first status comes."""
    left = [number]

    def show(status):
        if left:
            os.kill(os.getpid(), left.pop())

    return show


def test_statuses_are_shown_as_they_come_and_the_last_returned(play):
    status, shown, said = play("done")
    assert (status["outcome"], status["reason"]) == ("done", "60 labels")
    assert [s["outcome"] for s in shown] == [None, "done"]
    assert said == []
    assert not (play.directory / LAUNCHER_FILE).exists()


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


class TestDeath:
    """Ranks that end before the run does."""

    def test_without_restarts_it_is_an_error_with_their_last_words(self, play):
        with pytest.raises(LaunchError) as error:
            play("dies")
        assert error.value.message == "the ranks ended with code 7 before the run did"
        assert error.value.hint.startswith(f"the end of {play.directory}/logs/mpiexec.log:")
        assert error.value.hint.endswith("last words")

    def test_they_are_started_again_with_the_cause_on_screen_and_for_the_journal(self, play):
        status, _, said = play("dies once", restarts=3)
        assert (status["outcome"], status["reason"]) == ("done", "60 labels")
        assert said[0] == "the ranks ended with code 7 before the run did"
        assert "first words of dies once" in said[1]
        assert said[2] == "starting them again in 0.01 s (restart 1 of 3 without progress)"
        assert play.starts() == ["first", "the ranks ended with code 7 before the run did"]

    def test_restarts_without_progress_are_limited_and_their_pauses_grow(self, play):
        said = []
        with pytest.raises(LaunchError, match="started again 4 times without progress"):
            play("dies", restarts=4, say=said.append)
        assert len(play.starts()) == 5
        pauses = [line.split()[4] for line in said if line.startswith("starting")]
        assert pauses == ["0.01", "0.02", "0.03", "0.03"]

    def test_restarts_with_progress_are_not(self, play):
        status, _, said = play("dies after a label", restarts=1)
        assert status["outcome"] == "done"
        assert len(play.starts()) == 5
        assert [line for line in said if line.startswith("starting")] == 4 * [
            "starting them again in 0.01 s (restart 1 of 1 without progress)"
        ]
        assert play.launcher.advanced

    def test_snapshot_sets_alone_are_no_progress(self, play):
        with pytest.raises(LaunchError, match="started again 2 times without progress"):
            play("dies after a set", restarts=2)
        assert len(play.starts()) == 3
        store = Store(play.directory)
        assert [number for number, _ in store.sets()] == [1, 2, 3]
        store.close()
        assert not play.launcher.advanced

    @pytest.mark.parametrize("name", ["error", "early exception"])
    def test_what_would_come_again_at_once_is_not_tried_again(self, play, name):
        with pytest.raises(LaunchError, match=r"ended with code 1 before the run did \(rank 3: out of luck\)"):
            play(name, restarts=3)
        assert len(play.starts()) == 1

    def test_exception_of_a_rank_in_the_run_is_tried_again(self, play):
        with pytest.raises(LaunchError, match="started again 1 times"):
            play("exception", restarts=1)

    def test_failed_run_stays_failed(self, play):
        assert play("fails", restarts=3)[0]["outcome"] == "failed"
        assert len(play.starts()) == 1

    def test_abandoned_hosts_are_no_failure_of_the_run(self, play):
        assert play("abandoned", restarts=1)[0]["outcome"] == "done"
        assert play.starts()[1] == "the ranks were ended by force: out of luck"

    def test_nothing_that_the_dead_have_started_lives_on(self, play):
        with pytest.raises(LaunchError):
            play("leaves a child")
        assert not is_alive(int((play.directory / "child").read_text()))

    def test_last_words_are_heard_although_the_directory_is_gone(self, play):
        with pytest.raises(LaunchError) as error:
            play("removes everything", restarts=3)
        assert error.value.hint.endswith("still heard")
        assert len(play.starts()) == 1

    def test_full_disk_is_told_since_ranks_could_not_write_why_they_died(self, play, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(10**9, 10**9 - 100, 100))
        with pytest.raises(
            LaunchError, match=f"ended with code 7 before the run did: the disk of {play.directory} is full"
        ):
            play("dies")


class TestStopping:
    """Signals and wishes."""

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGUSR1, signal.SIGHUP])
    def test_signal_asks_the_run_to_stop_and_says_which(self, play, number):
        before = signal.getsignal(number)
        status, _, _ = play("stops when asked", show=ask(number))
        assert (status["outcome"], status["reason"]) == ("interrupted", f"signal {signal.Signals(number).name}")
        assert signal.getsignal(number) is before

    def test_signal_during_the_start_is_not_lost(self, play):
        assert play("is asked before it begins")[0]["outcome"] == "interrupted"

    def test_second_signal_ends_the_ranks_at_once_to_be_resumed(self, play):
        begin = time.monotonic()
        status, _, _ = play("hears nothing", restarts=3)
        assert (status["outcome"], status["reason"]) == ("interrupted", "stopped at once, as asked")
        assert time.monotonic() - begin < 10

    def test_ranks_that_die_on_their_way_out_are_not_started_again(self, play):
        status, _, _ = play("dies when asked", show=ask(signal.SIGUSR1), restarts=3)
        assert (status["outcome"], status["reason"]) == ("interrupted", "signal SIGUSR1")
        assert len(play.starts()) == 1

    @pytest.mark.parametrize("name", ["dies asked by pal stop", "mpiexec is told to end"])
    def test_wishes_that_this_process_has_not_heard_count_too(self, play, name):
        status, _, _ = play(name, restarts=3)
        assert (status["outcome"], status["reason"]) == ("interrupted", "asked to stop")
        assert not (play.directory / "stop").exists()

    def test_signal_in_the_pause_before_a_restart_is_heeded(self, play, monkeypatch):
        monkeypatch.setattr(module, "PAUSES", (30.0,))
        status, _, _ = play("dies", show=ask(signal.SIGTERM), restarts=3)
        assert status["outcome"] == "interrupted"
        assert len(play.starts()) == 1


class TestLimits:
    """Ranks that take too long."""

    def test_start_has_a_limit(self, play):
        with pytest.raises(LaunchError, match=r"has not begun within run.startup_limit = 0.5 s"):
            play("never begins", startup=0.5)

    def test_start_that_hangs_is_tried_once_more_and_not_twice(self, play):
        with pytest.raises(LaunchError, match=r"has not begun within run.startup_limit = 0.5 s"):
            play("never begins", startup=0.5, restarts=5)
        assert len(play.starts()) == 2

    def test_ranks_that_do_not_leave_after_the_end_are_ended(self, play):
        begin = time.monotonic()
        status, _, _ = play("never leaves", stop=0.3)
        assert status["outcome"] == "done"
        assert time.monotonic() - begin < 10


def test_ranks_are_ended_when_showing_raises(play):
    def show(status):
        raise KeyError("no such thing to show")

    with pytest.raises(KeyError):
        play("stops when asked", show=show)
    assert not (play.directory / LAUNCHER_FILE).exists()


def test_program_that_cannot_be_started_leaves_signals_alone(tmp_path):
    before = signal.getsignal(signal.SIGINT)
    program = write_mpiexec(tmp_path, tmp_path / "run")
    way = Way((str(program),), PROCESSES, 4)
    launcher = Launcher(way, ["done"], tmp_path / "run", threads=1, limits=Limits(), say=print)
    program.unlink()
    with pytest.raises(FileNotFoundError):
        launcher.run(lambda status: None)
    assert signal.getsignal(signal.SIGINT) is before
