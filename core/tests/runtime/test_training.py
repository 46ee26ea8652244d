"""The host of members that train: rounds, publishing, snapshots."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
from worlds import labels_of, make_setup, odd, points, started

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.runtime.checkpoint import load_state, round_file, rounds_on_disk, save_state
from pal_core.runtime.snapshots import SetReader
from pal_core.runtime.training import TrainingHost

ENDLESS = 10**9


def trainer(folder, training=None, members=1, run=None, past=0, **options):
    """A host with scripted members, and its outbox without the vote; `past` is the snapshot set it goes on from."""
    model = {"kernel": odd("Script"), "members": members, "options": options}
    selection = {"kernel": "pal.all", "options": {}}
    setup = make_setup(folder, model=model, training=training or {}, run=run or {}, selection=selection)
    setup = replace(setup, set=past, repeats=setup.deterministic)
    host, out = started(TrainingHost, setup, "training/0")
    assert out.of(m.Ready)
    out.clear()
    return host, out


def release(number: int, n: int = 4, held_out=()) -> m.Train:
    """Labels whose first coordinates tell the release."""
    batch = points(n)
    batch.columns["x"][:, 0] = number
    return m.Train(number, batch.join(labels_of(batch)), np.isin(np.arange(n), held_out), np.full(n, np.nan))


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


def recall(number: int, n: int = 4) -> m.Recall:
    """The labels of all rounds up to a number."""
    parts = [release(k, n) for k in range(1, number + 1)]
    columns = (np.concatenate([getattr(p, name) for p in parts]) for name in ("validation", "score"))
    return m.Recall(number, Batch.concat([p.batch for p in parts]), *columns)


class TestGoingOn:
    """A host of a run that has had earlier parts."""

    def halted(self, folder, rounds=1, number=1, **options):
        """Trains so many rounds, and halts with a snapshot set of this number (0: none)."""
        host, out = trainer(folder, **options)
        for k in range(1, rounds + 1):
            host.receive("manager", release(k))
            work(host, turns=6)
        host.receive("manager", m.Halt(set=number))
        assert out[-1] == ("manager", m.Halted(number))
        assert host._members[0].model.closed
        return out

    def test_snapshot_is_restored_once_the_earlier_labels_are_there(self, tmp_path):
        before = self.halted(tmp_path, rounds=2)
        host, out = trainer(tmp_path, past=1)
        model = host._members[0].model
        assert model.trained == 0
        host.receive("manager", recall(2))
        assert (model.trained, model.points) == (6, [1] * 4 + [2] * 4)
        assert out == []  # predictors know these weights themselves
        host.receive("manager", release(3))
        work(host)
        assert out.one(m.Weights).version == before.of(m.Weights)[-1].version + 1
        assert out.one(m.RoundEnded).epochs == (9,)

    def test_run_without_a_set_goes_on_from_the_weights_of_its_last_round(self, tmp_path):
        before = self.halted(tmp_path, rounds=2, number=0)
        host, out = trainer(tmp_path)
        host.receive("manager", release(3))
        work(host)
        assert out.one(m.Weights).version == before.of(m.Weights)[-1].version + 1
        assert out.one(m.Weights).state["trained"] == 9

    def test_versions_never_fall_behind_a_round_after_the_set(self, tmp_path):
        self.halted(tmp_path)
        save_state(round_file(tmp_path / "run", 0, 2), {"trained": np.array(50.0)}, {"version": "7"})
        host, out = trainer(tmp_path, past=1)
        host.receive("manager", recall(1))
        host.receive("manager", release(2))
        work(host)
        assert out.of(m.Weights)[0].version == 8

    def test_weights_of_a_round_after_the_set_are_trained_on(self, tmp_path):
        self.halted(tmp_path)
        save_state(round_file(tmp_path / "run", 0, 2), {"trained": np.array(50.0)}, {"version": "7"})
        host, out = trainer(tmp_path, past=1)
        host.receive("manager", recall(2))
        assert host._members[0].model.trained == 50
        host.receive("manager", release(3))
        work(host)
        assert out.of(m.Weights)[-1].state["trained"] == 53

    def test_deterministic_run_repeats_rounds_after_the_set(self, tmp_path):
        self.halted(tmp_path)
        save_state(round_file(tmp_path / "run", 0, 2), {"trained": np.array(50.0)}, {"version": "7"})
        host, out = trainer(tmp_path, past=1, run={"schedule": "serial", "batching": "all"})
        host.receive("manager", recall(1))
        host.receive("manager", release(2))
        work(host)
        assert [(w.version, float(w.state["trained"])) for w in out.of(m.Weights)] == [(2, 6.0)]

    def test_set_holds_training_and_published_weights_with_their_version(self, tmp_path):
        host, out = trainer(tmp_path, epochs=ENDLESS, training={"publish_every": 2})
        host.receive("manager", release(1))
        work(host, turns=4)  # one begins the round
        host.receive("manager", m.Snapshot(3))
        host.work(time.monotonic())
        while not out.of(m.Saved):
            host.tick(time.monotonic())
        past = SetReader(tmp_path / "run", 3)
        assert (past.state("member/0")["trained"], past.notes("member/0")) == (3, {"epoch": 3})
        assert (past.state("weights/0")["trained"], past.notes("weights/0")) == (2, {"version": 1})

    def test_members_without_weights_are_in_no_set(self, tmp_path):
        host, out = trainer(tmp_path)
        host.receive("manager", m.Halt(set=1))
        assert out[-1] == ("manager", m.Halted(1))
        assert not (tmp_path / "run").exists()

    def test_prediction_host_that_runs_elsewhere_gets_the_weights_again(self, tmp_path):
        host, out = trainer(tmp_path)
        host.receive("manager", release(1))
        work(host)
        out.clear()
        host.receive("manager", m.Moved(("generator/0",), 3))
        assert out == []
        host.receive("manager", m.Moved(("prediction/0",), 3))
        ((to, weights),) = out
        assert (to, weights.version, float(weights.state["trained"])) == ("prediction/0", 1, 3)

    def test_old_rounds_are_removed_from_disk(self, tmp_path):
        host, _ = trainer(tmp_path, training={"checkpoints": 3})
        for number in range(1, 7):
            host.receive("manager", release(number))
            work(host)
        assert rounds_on_disk(tmp_path / "run", 0) == [1, 5, 6]


def test_model_that_takes_no_labels_breaks_the_host_with_its_name(tmp_path):
    host, out = trainer(tmp_path, fails="extend")
    host.receive("manager", release(1))
    work(host)
    broken = out.one(m.Broken)
    assert broken.kernel.startswith(odd("Script"))
    assert (broken.key, broken.what) == ("model", "RuntimeError: no extend today")
    host.receive("manager", release(2))
    assert work(host) == 0
    host.receive("manager", m.Halt(set=1))
    assert out[-1] == ("manager", m.Halted())
    assert not (tmp_path / "run").exists()
