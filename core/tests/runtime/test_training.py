"""The host of members that train: rounds, publishing, snapshots."""

from __future__ import annotations

import time

import numpy as np
import pytest
from worlds import labels_of, make_setup, odd, points, started

from pal_core import messages as m
from pal_core.runtime.checkpoint import load_state, member_snapshot, round_file, rounds_on_disk, save_state
from pal_core.runtime.training import TrainingHost

ENDLESS = 10**9


def trainer(folder, training=None, members=1, run=None, **options):
    """A host with scripted members, and its outbox without the vote."""
    model = {"kernel": odd("Script"), "members": members, "options": options}
    selection = {"kernel": "pal.all", "options": {}}
    setup = make_setup(folder, model=model, training=training or {}, run=run or {}, selection=selection)
    host, out = started(TrainingHost, setup, "training/0")
    assert out.of(m.Ready)
    out.clear()
    return host, out


def release(number: int, n: int = 4, held_out=()) -> m.Train:
    """Labels whose first coordinates tell the release."""
    batch = points(n)
    batch.columns["x"][:, 0] = number
    return m.Train(number, batch.join(labels_of(batch)), np.isin(np.arange(n), held_out))


def work(host, turns: int = 100) -> int:
    """Let the host work; the turns it took until there was nothing left to do."""
    for turn in range(turns):
        if not host.work(time.monotonic()):
            return turn
    return turns


def ended(out) -> list[int]:
    return [r.round for r in out.of(m.RoundEnded)]


def test_nothing_is_trained_before_there_are_labels(tmp_path):
    host, out = trainer(tmp_path)
    assert work(host) == 0
    assert out == []


def test_round_trains_until_every_member_has_converged(tmp_path):
    host, out = trainer(tmp_path, members=2)
    host.receive("manager", release(1))
    work(host)
    assert out.one(m.RoundBegan).round == 1
    over = out.one(m.RoundEnded)
    assert (over.round, over.members, over.epochs) == (1, (0, 1), (3, 3))
    assert over.metrics[1] == {"loss": 1 / 3}
    assert [k.model.trained for k in host._members.values()] == [3, 3]


def test_members_take_turns(tmp_path):
    host, _ = trainer(tmp_path, members=2, epochs=ENDLESS)
    host.receive("manager", release(1))
    work(host, turns=8)  # one turn begins the round
    assert [k.model.trained for k in host._members.values()] == [4, 3]


def test_labels_and_held_out_samples_reach_the_model(tmp_path):
    host, _ = trainer(tmp_path)
    host.receive("manager", release(1, 4, held_out=[2]))
    work(host)
    host.receive("manager", release(2, 2, held_out=[0]))
    work(host)
    model = host._members[0].model
    assert model.points == [1, 1, 1, 1, 2, 2]
    assert model.held_out == [False, False, True, False, True, False]


def test_weights_are_published_on_the_way_and_at_the_end_of_a_round(tmp_path):
    host, out = trainer(tmp_path, training={"publish_every": 2}, epochs=5)
    host.receive("manager", release(1))
    work(host)
    published = [(w.version, float(w.state["trained"])) for w in out.of(m.Weights)]
    assert published == [(1, 2), (2, 4), (3, 5)]
    assert {to for to, x in out if isinstance(x, m.Weights)} == {"prediction/0"}
    assert out.one(m.RoundEnded).versions == (3,)


def test_weights_leave_before_the_manager_hears_of_the_rounds_end(tmp_path):
    host, out = trainer(tmp_path)
    host.receive("manager", release(1))
    work(host)
    assert isinstance(out[-2][1], m.Weights)
    assert isinstance(out[-1][1], m.RoundEnded)


def test_weights_go_to_every_host_of_a_member(tmp_path):
    from pal_core.runtime.plan import Processes

    model = {"kernel": odd("Script"), "members": 2, "options": {}}
    setup = make_setup(tmp_path, Processes(1, 2, 1, 1, 2), model=model)
    for number in (0, 1):
        host, out = started(TrainingHost, setup, f"training/{number}")
        host.receive("manager", release(1))
        work(host)
        assert {(to, x.member) for to, x in out if isinstance(x, m.Weights)} == {(f"prediction/{number}", number)}


def test_weights_after_a_round_are_on_disk_with_their_version(tmp_path):
    host, out = trainer(tmp_path)
    host.receive("manager", release(1))
    work(host)
    state, notes = load_state(round_file(tmp_path / "run", 0, 1))
    assert state["trained"] == 3
    assert (notes["version"], notes["epoch"]) == (str(out.of(m.Weights)[-1].version), "3")


def test_new_labels_end_a_round_that_has_had_its_epochs(tmp_path):
    host, out = trainer(tmp_path, training={"min_epochs": 4}, members=2, epochs=ENDLESS)
    host.receive("manager", release(1))
    work(host, turns=4)
    host.receive("manager", release(2))
    work(host, turns=5)  # of the eight epochs wanted, three were done before
    assert ended(out) == []
    assert [r.round for r in out.of(m.RoundBegan)] == [1]
    work(host, turns=2)
    assert ended(out) == [1]
    assert [r.round for r in out.of(m.RoundBegan)] == [1, 2]
    assert [k.model.trained for k in host._members.values()] == [4, 4]
    assert all(k.model.interrupted for k in host._members.values())


def test_converged_members_do_not_hold_up_new_labels(tmp_path):
    host, out = trainer(tmp_path, training={"min_epochs": 50}, epochs=2)
    host.receive("manager", release(1))
    work(host, turns=3)
    host.receive("manager", release(2))
    work(host)
    assert ended(out) == [1, 2]


def test_labels_that_came_meanwhile_are_trained_on_in_one_round(tmp_path):
    host, out = trainer(tmp_path, epochs=ENDLESS)
    host.receive("manager", release(1))
    work(host, turns=1)
    for number in (2, 3, 4):
        host.receive("manager", release(number))
    work(host, turns=3)
    assert [r.round for r in out.of(m.RoundBegan)] == [1, 4]
    assert host._members[0].model.points == [1] * 4 + [2] * 4 + [3] * 4 + [4] * 4


def test_first_round_may_be_limited(tmp_path):
    host, out = trainer(tmp_path, training={"first_epochs": 5}, epochs=20)
    host.receive("manager", release(1))
    work(host)
    assert out.one(m.RoundEnded).epochs == (5,)
    host.receive("manager", release(2))
    work(host)
    assert out.of(m.RoundEnded)[-1].epochs == (25,)


def test_round_without_epochs_is_a_round(tmp_path):
    host, out = trainer(tmp_path, epochs=0)
    host.receive("manager", release(1))
    work(host)
    over = out.one(m.RoundEnded)
    assert (over.versions, over.epochs, over.metrics) == ((1,), (0,), ({},))
    assert round_file(tmp_path / "run", 0, 1).exists()
    assert work(host) == 0


def test_progress_is_told_but_not_every_epoch(tmp_path):
    host, out = trainer(tmp_path, epochs=ENDLESS)
    host.receive("manager", release(1))
    for k in range(21):
        host.work(1e6 + 0.1 * k)
    told = out.of(m.EpochDone)
    assert [e.epoch for e in told] == list(range(1, 21, 3))
    assert told[0] == m.EpochDone(0, 0, 1, {"loss": 1.0})


def test_wish_to_end_the_run_is_told_once_a_round_and_the_member_rests(tmp_path):
    host, out = trainer(tmp_path, members=2, epochs=3, stop_at=2)
    host.receive("manager", release(1))
    work(host)
    assert out.of(m.TrainerAsksStop) == [m.TrainerAsksStop(0, "had enough"), m.TrainerAsksStop(1, "had enough")]
    assert ended(out) == [1]
    assert out.one(m.RoundEnded).epochs == (1, 1)


class TestFinish:
    """The manager wants an end."""

    def test_idle_host_has_finished_at_once(self, tmp_path):
        host, out = trainer(tmp_path)
        host.receive("manager", m.Finish(60.0))
        work(host)
        assert out == [("manager", m.Trained())]

    def test_running_round_and_waiting_labels_are_trained_to_the_end(self, tmp_path):
        host, out = trainer(tmp_path)
        host.receive("manager", release(1))
        work(host, turns=2)
        host.receive("manager", release(2))
        host.receive("manager", m.Finish(60.0))
        work(host)
        assert ended(out) == [1, 2]
        assert out[-1] == ("manager", m.Trained())
        assert len(out.of(m.Trained)) == 1

    def test_limit_ends_an_endless_round(self, tmp_path):
        host, out = trainer(tmp_path, epochs=ENDLESS)
        host.receive("manager", release(1))
        host.receive("manager", m.Finish(0.2))
        begin = time.monotonic()
        while not out.of(m.Trained):
            host.work(time.monotonic())
            assert time.monotonic() < begin + 10
        assert time.monotonic() > begin + 0.2
        assert [type(x) for _, x in out[-2:]] == [m.RoundEnded, m.Trained]
        assert load_state(round_file(tmp_path / "run", 0, 1))[0]["trained"] == host._members[0].model.trained

    def test_no_round_begins_after_the_limit(self, tmp_path):
        host, out = trainer(tmp_path)
        host.receive("manager", m.Finish(0.0))
        host.receive("manager", release(1))
        time.sleep(0.01)
        work(host)
        assert out == [("manager", m.Trained())]


class TestGoingOn:
    """A host that finds snapshots of an earlier part of the run."""

    def halted(self, folder, rounds=1, **options):
        host, out = trainer(folder, **options)
        for number in range(1, rounds + 1):
            host.receive("manager", release(number))
            work(host, turns=6)
        host.receive("manager", m.Halt())
        assert out[-1] == ("manager", m.Halted())
        assert host._members[0].model.closed
        return out

    def test_snapshot_is_restored_with_the_first_labels_and_published(self, tmp_path):
        before = self.halted(tmp_path)
        host, out = trainer(tmp_path)
        assert work(host) == 0
        host.receive("manager", release(2))
        host.work(time.monotonic())
        weights = out.one(m.Weights)
        assert weights.version == before.of(m.Weights)[-1].version + 1
        assert weights.state["trained"] == 3
        assert [type(x) for _, x in out] == [m.Weights, m.RoundBegan]
        work(host)
        assert out.one(m.RoundEnded).epochs == (6,)

    def test_weights_and_versions_go_on_from_the_newest_on_disk_without_a_snapshot(self, tmp_path):
        before = self.halted(tmp_path, rounds=2)
        member_snapshot(tmp_path / "run", 0).unlink()  # the run was killed before the first one
        host, out = trainer(tmp_path)
        host.receive("manager", release(3))
        work(host)
        assert out.one(m.Weights).version == before.of(m.Weights)[-1].version + 1
        assert out.one(m.Weights).state["trained"] == 9

    def test_snapshot_older_than_the_last_round_is_not_published(self, tmp_path):
        self.halted(tmp_path)
        save_state(round_file(tmp_path / "run", 0, 2), {"trained": np.array(50.0)}, {"version": "7"})
        host, out = trainer(tmp_path)
        host.receive("manager", release(3))
        host.work(time.monotonic())
        assert out.of(m.Weights) == []
        work(host)
        assert out.one(m.Weights).version == 8

    def test_host_that_trained_nothing_leaves_the_snapshot_alone(self, tmp_path):
        self.halted(tmp_path)
        text = member_snapshot(tmp_path / "run", 0).read_bytes()
        host, _ = trainer(tmp_path)
        host.receive("manager", m.Halt())
        assert member_snapshot(tmp_path / "run", 0).read_bytes() == text

    def test_snapshots_are_written_now_and_then(self, tmp_path):
        host, _ = trainer(tmp_path, run={"snapshot_every": 5.0}, epochs=ENDLESS)
        host.receive("manager", release(1))
        work(host, turns=3)
        assert not member_snapshot(tmp_path / "run", 0).exists()
        host.work(time.monotonic() + 6.0)
        assert load_state(member_snapshot(tmp_path / "run", 0))[0]["trained"] == 3

    def test_old_rounds_are_removed_from_disk(self, tmp_path):
        host, _ = trainer(tmp_path, training={"checkpoints": 3})
        for number in range(1, 7):
            host.receive("manager", release(number))
            work(host)
        assert rounds_on_disk(tmp_path / "run", 0) == [1, 5, 6]


@pytest.mark.parametrize("method", ["extend", "train"])
def test_model_that_raises_breaks_the_host_with_its_name(tmp_path, method):
    host, out = trainer(tmp_path, fails=method)
    host.receive("manager", release(1))
    work(host)
    broken = out.one(m.Broken)
    assert broken.kernel.startswith(odd("Script"))
    assert (broken.key, broken.what) == ("model", f"RuntimeError: no {method} today")
    host.receive("manager", release(2))
    assert work(host) == 0
    host.receive("manager", m.Halt())
    assert out[-1] == ("manager", m.Halted())
    assert not member_snapshot(tmp_path / "run", 0).exists()
