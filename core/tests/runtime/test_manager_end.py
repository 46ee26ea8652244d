"""The manager's shell: ends, observers, later sessions."""

from __future__ import annotations

import shutil
import time

import pytest
from manager_story import Story

from pal_core import messages as m
from pal_core.builtin.observer import read_status
from pal_core.runtime.beginning import ChangedSettingsError
from pal_core.runtime.manager import STOP_FILE, RestartNeededError
from pal_core.store.store import StoreError


class TestEnd:
    """How a run ends, and who is told."""

    def finish(self, s: Story) -> None:
        s.say("exchange", m.WalkersQuiet())
        for part in s.setup.plan.parts[1:]:
            s.say(part.address, m.Halted())

    def test_request_ends_the_run_as_an_interruption(self, story):
        s = story().explore()
        s.host.request_stop("signal SIGTERM")
        s.tick()
        assert [type(x) for x in s.out.to("exchange")] == [m.Quiet]
        self.finish(s)
        assert s.host.left
        assert (s.host.outcome, s.host.reason) == ("interrupted", "signal SIGTERM")
        assert {to for to, x in s.out if isinstance(x, m.Leave)} == {p.address for p in s.setup.plan.parts[1:]}
        (session,) = s.store.sessions()
        assert (session["outcome"], session["reason"]) == ("interrupted", "signal SIGTERM")
        assert session["ended"] >= session["started"]

    def test_request_before_anybody_is_ready_halts_all(self, story):
        s = story()
        s.host.request_stop("signal SIGTERM")
        s.tick()
        assert len(s.out.of(m.Halt)) == len(s.setup.plan.parts) - 1

    def test_stop_file_is_a_request_and_used_up(self, story, tmp_path):
        s = story().explore()
        (tmp_path / "run" / STOP_FILE).touch()
        s.tick()
        assert not (tmp_path / "run" / STOP_FILE).exists()
        self.finish(s)
        assert (s.host.outcome, s.host.reason) == ("interrupted", "asked to stop")

    @pytest.mark.parametrize("launched", [False, True])
    def test_stop_file_at_the_start_is_old_unless_a_launcher_has_cleared_up(self, story, tmp_path, launched):
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / STOP_FILE).touch()
        s = story(launched=launched)
        s.tick()
        assert bool(s.out.of(m.Halt)) is launched

    def test_late_messages_are_ignored_after_the_end(self, story):
        s = story().explore()
        s.select(0.5)
        flying = s.flying[0]
        s.say("training/0", m.Broken("k", "model", "why", "trace"))
        self.finish(s)
        s.out.clear()
        s.label(*flying)
        s.tick()
        assert s.out == []
        assert flying[1] in {w.id for w in s.store.waiting()}

    def test_silent_host_is_named(self, story, monkeypatch):
        s = story(run={"startup_limit": 5.0})
        now = time.monotonic()
        monkeypatch.setattr(time, "monotonic", lambda: now + 6.0)
        s.host.tick(now + 6.0)
        assert s.host.outcome == "failed"
        assert s.host.abandoned == tuple(sorted(p.address for p in s.setup.plan.parts[1:]))
        assert s.host.reason.startswith("no answer from exchange, generator/0,")
        assert s.host.reason.endswith("while starting")

    def test_removed_run_directory_is_an_error_within_a_second(self, story, tmp_path):
        s = story()
        shutil.rmtree(tmp_path / "run")
        with pytest.raises(StoreError, match="has been removed while the run was going"):
            s.tick()


class TestObservers:
    """Guests on the manager's rank."""

    class Watcher:
        def __init__(self, fails: str = "") -> None:
            self.fails, self.seen = fails, []

        def _see(self, what, status):
            self.seen.append((what, status["phase"], status["outcome"]))
            if what == self.fails:
                raise RuntimeError("can't look")

        def started(self, directory, status):
            self.directory = directory
            self._see("started", status)

        def progressed(self, status):
            self._see("progressed", status)

        def ended(self, status):
            self._see("ended", status)

    def test_observer_sees_start_progress_and_end(self, story, tmp_path):
        watcher = self.Watcher()
        s = story(observers=[watcher]).explore()
        s.tick()
        s.tick(0.1)  # too soon
        s.say("training/0", m.Broken("k", "model", "why", "trace"))
        TestEnd().finish(s)
        assert watcher.directory == tmp_path / "run"
        assert watcher.seen == [
            ("started", "starting", None), ("progressed", "running", None), ("ended", "ended", "failed")
        ]  # fmt: skip

    @pytest.mark.parametrize("fails", ["started", "progressed"])
    def test_observer_that_raises_is_dropped_and_the_others_stay(self, story, fails):
        bad, good = self.Watcher(fails), self.Watcher()
        s = story(observers=[bad, good])
        s.tick(5.0)
        s.tick(10.0)
        assert [w for w, *_ in good.seen] == ["started", "progressed", "progressed"]
        assert [w for w, *_ in bad.seen][-1] == fails

    def test_history_gets_a_point_with_every_status(self, story):
        s = story().explore()
        s.say("exchange", m.Progress(50, 3, 2))
        s.tick(5.0)
        assert s.store.history()[:, 2:].tolist() == [[0, 0, 0, 0], [50, 3, 12, 0]]

    def test_status_file_of_the_plugin_is_written(self, story, tmp_path):
        s = story()
        assert read_status(tmp_path / "run")["phase"] == "starting"
        s.begin()
        s.tick()
        assert read_status(tmp_path / "run")["phase"] == "bootstrapping"


class TestGoingOn:
    """A later session of a run."""

    def test_labels_queue_and_numbers_go_on(self, story, tmp_path):
        s = story().explore()
        s.select(0.5, 0.6, 0.7)
        flying = s.flying
        s = story()
        assert len(s.store.sessions()) == 2
        machine = s.host._machine
        assert machine.tally.labels == 12
        assert list(machine.queue.waiting) == [13, 14, 15]
        assert {n for _, n in flying} <= set(machine.queue.waiting)
        assert machine.rounds.buffer == list(s.store.labelled())
        s.begin()
        s.select(0.5)
        assert s.store.next_sample == 17

    def test_round_of_a_resumed_run_counts_all_labels(self, story):
        s = story().explore()
        s = story()
        s.begin()
        train = s.out.of(m.Train)[0]
        assert len(train.batch) == 12
        s.round(train.round)
        assert [r["labels"] for r in s.store.rounds()][-2:] == [12, 12]

    def test_changed_settings_are_refused_or_written_down_and_the_run_is_let_go(self, story, tmp_path):
        story()
        with pytest.raises(ChangedSettingsError, match=r"model.members: 2 -> 3"):
            story(model={"members": 3})
        s = story(model={"members": 3}, accept=True)
        assert ("settings", "model.members: 2 -> 3") in s.rows("SELECT source, text FROM journal")
        s = story(model={"members": 3}, stop={"labels": 99})
        assert ("settings", "stop.labels: 40 -> 99") in s.rows("SELECT source, text FROM journal")

    def test_second_manager_is_refused(self, story, tmp_path):
        story()
        with pytest.raises(StoreError, match="is in use by pid"):
            Story(tmp_path)


class TestSilence:
    """A host stuck in a kernel sends no pulses."""

    def test_run_with_a_host_without_a_sign_of_life_must_begin_anew(self, story):
        s = story(run={"silence_limit": 50.0}).explore()
        for part in s.setup.plan.parts[1:]:
            s.say(part.address, m.Pulse(0.0))
        s.tick(49.0)
        assert s.host.status()["phase"] == "running"
        with pytest.raises(RestartNeededError) as error:
            s.tick(51.0)
        assert error.value.message == "exchange has given no sign of life for 50 s (run.silence_limit)"
        assert error.value.hint == "what was labelled is stored; go on with: pal run SETTINGS"
        assert s.store.journal()[-1]["text"] == f"the ranks must be started anew: {error.value.message}"

    def test_oracles_may_be_silent_for_their_timeout(self, story):
        s = story(run={"silence_limit": 5.0, "stop_limit": 10.0}, oracle={"timeout": 100.0}).explore()
        s.host._heard = {"oracle/0": s.host._heard["oracle/0"]}
        s.tick(100.0)
        assert s.host.status()["phase"] == "running"
        with pytest.raises(RestartNeededError, match="oracle/0 has given no sign of life for 110 s"):
            s.tick(120.0)
