"""Training policies in the host of members that train."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from worlds import make_setup, points, started

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch
from pal_core.runtime.checkpoint import load_state, round_file, save_state
from pal_core.runtime.snapshots import SetReader
from pal_core.runtime.training import TrainingHost

ACTOR = f"{Path(__file__).with_name('policy_kernels.py')}:Actor"
STRICT = {"schedule": "serial", "batching": "all"}


def trainer(folder, training=None, past=0, members=1, run=None, **options):
    model = {"kernel": ACTOR, "members": members, "options": options}
    selection = {"kernel": "pal.all", "options": {}}
    setup = make_setup(folder, model=model, training=training or {}, run=run or {}, selection=selection)
    setup = replace(setup, set=past, repeats=setup.deterministic)
    host, out = started(TrainingHost, setup, "training/0")
    out.clear()
    return host, out


def labels(kind, number: int, first: int, count: int, held_out=(), score=np.nan) -> m.Train | m.Recall:
    """Labels whose first coordinate counts them."""
    batch = points(count)
    batch.columns["x"][:, 0] = np.arange(first, first + count)
    answers = {"energy": batch.columns["x"][:, 1].copy(), "gradient": np.zeros((count, 2))}
    batch = batch.join(Batch(LABEL, answers, size=count))
    mask = np.isin(np.arange(first, first + count), held_out)
    return kind(number, batch, mask, np.full(count, score))


def train(host, number: int, first: int, count: int = 10, held_out=()) -> None:
    host.receive("manager", labels(m.Train, number, first, count, held_out))
    for _ in range(200):
        if not host.work(time.monotonic()):
            return


def model_of(host):
    return host._members[0].model


def published(out) -> list[float]:
    return [float(w.state["trained"]) for w in out.of(m.Weights)]


def notes(out) -> str:
    return "\n".join(n.text for n in out.of(m.Note))


class TestEarlyStopping:
    def test_best_weights_are_published_and_trained_on(self, tmp_path):
        losses = (5.0, 4.0, 2.0, 3.0, 3.0, 3.0, 1.0)
        host, out = trainer(tmp_path, {"patience": 3, "publish_every": 100}, losses=losses)
        train(host, 1, 0, held_out=[2])
        assert published(out) == [3.0]
        assert load_state(round_file(tmp_path / "run", 0, 1))[0]["trained"] == 3.0
        assert model_of(host).trained == 3.0
        assert out.one(m.RoundEnded).epochs == (6,)
        train(host, 2, 10)
        assert published(out) == [3.0, 6.0]

    def test_on_the_way_too_only_the_best_are_handed_over(self, tmp_path):
        losses = (5.0, 6.0, 4.0, 6.0, 6.0, 6.0)
        host, out = trainer(tmp_path, {"patience": 3, "publish_every": 1}, losses=losses)
        train(host, 1, 0, held_out=[2])
        assert published(out) == [1.0, 3.0, 3.0]

    def test_without_patience_the_last_weights_count(self, tmp_path):
        host, out = trainer(tmp_path, {"publish_every": 100}, losses=(1.0, 2.0, 3.0))
        train(host, 1, 0, held_out=[2])
        assert published(out) == [3.0]

    def test_metric_that_is_not_there_ends_the_run_and_says_which_are(self, tmp_path):
        host, out = trainer(tmp_path, {"patience": 3, "monitor": "validation_force"})
        train(host, 1, 0, held_out=[2])
        what = "training.monitor names 'validation_force', the model's epochs have loss, validation_loss"
        assert out.one(m.Broken).what == f"MissingMetricError: {what}; name one of these"

    def test_training_loss_is_watched_while_nothing_is_held_out(self, tmp_path):
        host, out = trainer(tmp_path, {"patience": 1}, losses=(1.0, 2.0, 0.5), metric="more")
        train(host, 1, 0)
        assert published(out) == [1.0]


class TestRollingSet:
    WINDOW = {"window": 12, "replay": 5}

    def test_model_gets_every_label_once_and_is_told_which_to_use(self, tmp_path):
        host, _ = trainer(tmp_path, self.WINDOW)
        for k in range(8):
            train(host, k + 1, 10 * k)
        model = model_of(host)
        assert model.got == list(range(80))
        assert len(model.used) == 17
        assert model.used[5:] == list(range(68, 80))

    def test_host_forgets_what_nobody_will_use_again(self, tmp_path):
        host, _ = trainer(tmp_path, self.WINDOW, members=3)
        for k in range(40):
            train(host, k + 1, 10 * k)
        assert host._pool.arrived == 400
        assert len(host._pool) <= 2 * (12 + 3 * 5) + 10

    def test_member_that_begins_anew_after_an_error_gets_only_what_it_may_use(self, tmp_path):
        host, _ = trainer(tmp_path, self.WINDOW)
        for k in range(8):
            train(host, k + 1, 10 * k)
        before = model_of(host).used
        host._faulty(0, host._members[0], ArithmeticError("once"))
        model = model_of(host)
        assert model.got == before == model.used
        train(host, 9, 80)
        assert model.got == [*before, *range(80, 90)]
        assert model.used[5:] == list(range(78, 90))
        assert set(model.used) <= set(model.got)

    def test_release_larger_than_the_window_is_not_given_whole(self, tmp_path):
        host, _ = trainer(tmp_path, self.WINDOW)
        train(host, 1, 0, 100)
        train(host, 2, 100, 50)
        assert len(model_of(host).got) <= 100 + 12 + 5
        assert model_of(host).used[5:] == list(range(138, 150))

    def test_without_window_nothing_is_said(self, tmp_path):
        host, _ = trainer(tmp_path)
        train(host, 1, 0)
        assert "use" not in model_of(host).calls

    def test_resumed_model_has_the_labels_of_then_before_its_snapshot(self, tmp_path):
        run = {"run": STRICT, "training": self.WINDOW}
        host, out = trainer(tmp_path, **run)
        for k in range(8):
            train(host, k + 1, 10 * k)
        host._faulty(0, host._members[0], ArithmeticError("once"))  # from here on it has a part only
        train(host, 9, 80)
        before = model_of(host)
        host.receive("manager", m.Halt(set=1))
        assert out[-1] == ("manager", m.Halted(1))
        host, _ = trainer(tmp_path, past=1, **run)
        host.receive("manager", labels(m.Recall, 9, 0, 90))
        after = model_of(host)
        assert (after.got, after.used, after.trained) == (before.got, before.used, before.trained)
        assert after.calls[:3] == ["extend", "use", "restore"]


class TestBeginningAnew:
    def anew(self, folder, every=2, **options):
        return trainer(folder, {"reinitialise": {"every": every}, "publish_every": 1}, **options)

    def test_new_weights_wait_until_they_are_as_good(self, tmp_path):
        host, out = self.anew(tmp_path, slow=4.0, losses=(1.0,) * 3)
        for k in range(7):
            train(host, k + 1, 10 * k, held_out=[10 * k])
        # Two rounds of three epochs; anew, 24 epochs are as good as those 6, and are reached after 8 rounds.
        assert published(out)[-1] == 6.0
        assert model_of(host).context.begun == 1
        assert host._members[0].renewal.trial
        versions = [r.versions[0] for r in out.of(m.RoundEnded)]
        assert versions == [4, 8, 8, 8, 8, 8, 8]
        assert load_state(round_file(tmp_path / "run", 0, 7))[0]["trained"] == 6.0
        for k in range(7, 10):
            train(host, k + 1, 10 * k)
        assert published(out)[-1] == 6.0
        assert out.of(m.RoundEnded)[-1].versions == (9,)
        assert "begins anew in round 3" in notes(out)
        assert "its earlier weights go on predicting" in notes(out)
        assert "its new weights are published" in notes(out)

    def test_member_begun_anew_has_other_streams_and_all_labels(self, tmp_path):
        host, _ = self.anew(tmp_path)
        train(host, 1, 0)
        first = model_of(host).context
        train(host, 2, 10)
        train(host, 3, 20)
        second = model_of(host).context
        assert model_of(host).got == list(range(30))
        assert (first.begun, second.begun) == (0, 1)
        assert first.random_seed("weights") != second.random_seed("weights")
        assert replace(second, begun=0).random_seed("weights") == first.random_seed("weights")

    def test_trial_that_raises_is_given_up(self, tmp_path):
        host, out = self.anew(tmp_path, raises=True)
        for k in range(3):
            train(host, k + 1, 10 * k)
        assert out.one(m.Fault).what == "ArithmeticError: not again"
        assert not host._members[0].renewal.trial
        assert published(out)[-1] == 9.0, "it trains on from the weights published before"

    def test_trial_that_has_diverged_is_given_up(self, tmp_path):
        host, out = self.anew(tmp_path, slow=0.0)
        for k in range(3):
            train(host, k + 1, 10 * k)
        assert out.one(m.Fault).what == "FloatingPointError: member 0, begun anew, predicts values that are not finite"
        assert not host._members[0].renewal.trial
        assert published(out)[-1] == 6.0, "it trains on from the weights published before"

    def test_stalled_error_begins_anew(self, tmp_path):
        host, _ = trainer(tmp_path, {"reinitialise": {"stalled": 2}}, losses=(1.0,))
        for k in range(3):
            train(host, k + 1, 10 * k, held_out=[10 * k])
        assert model_of(host).context.begun == 0
        train(host, 4, 30)
        assert model_of(host).context.begun == 1

    def test_last_round_is_no_time_to_begin_anew(self, tmp_path):
        host, _ = self.anew(tmp_path)
        train(host, 1, 0)
        train(host, 2, 10)
        host.receive("manager", m.Finish(60.0))
        train(host, 3, 20)
        assert model_of(host).context.begun == 0

    def test_trial_goes_on_after_a_break(self, tmp_path):
        options = {"slow": 4.0, "run": STRICT}
        host, out = self.anew(tmp_path, **options)
        for k in range(4):
            train(host, k + 1, 10 * k)
        before = host._members[0]
        assert before.renewal.trial
        host.receive("manager", m.Halt(set=1))
        past = SetReader(tmp_path / "run", 1)
        assert (past.state("weights/0")["trained"], past.state("member/0")["trained"]) == (6, 1.5)
        host, out = trainer(tmp_path, {"reinitialise": {"every": 2}, "publish_every": 1}, past=1, **options)
        host.receive("manager", labels(m.Recall, 4, 0, 40))
        after = host._members[0]
        assert after.renewal == before.renewal
        assert (after.model.context.begun, after.model.trained, after.held.version) == (1, 1.5, before.held.version)
        train(host, 5, 40)
        assert published(out) == []


class TestStart:
    def given(self, folder, *values, kernel="", shape=()):
        for k, value in enumerate(values):
            path = folder / "old" / f"member-{k:03d}.safetensors"
            save_state(path, {"trained": np.full(shape, float(value))}, {"kernel": kernel} if kernel else {})

    def build(self, folder, members=1):
        model = {"kernel": ACTOR, "members": members, "options": {}, "start": "old"}
        setup = make_setup(folder, model=model, selection={"kernel": "pal.all", "options": {}})
        return started(TrainingHost, setup, "training/0")

    def test_members_train_on_from_the_weights_by_turns(self, tmp_path):
        self.given(tmp_path, 10, 20)
        host, out = self.build(tmp_path, members=3)
        train(host, 1, 0)
        assert [float(w.state["trained"]) for w in out.of(m.Weights)] == [13.0, 23.0, 13.0]
        assert {w.version for w in out.of(m.Weights)} == {1}

    @pytest.mark.parametrize(
        ("given", "complaint"),
        [
            ({"kernel": "other.kernel"}, "holds weights of 'other.kernel', model.kernel is"),
            ({"shape": (2,)}, "doesn't fit the model: 'trained' has shape (2,), () wanted"),
        ],
    )
    def test_weights_that_do_not_fit_are_refused(self, tmp_path, given, complaint):
        self.given(tmp_path, 10, **given)
        host, out = self.build(tmp_path)
        train(host, 1, 0)
        assert complaint in out.one(m.Broken).what

    def test_own_weights_come_first_when_the_run_goes_on(self, tmp_path):
        self.given(tmp_path, 10)
        save_state(round_file(tmp_path / "run", 0, 4), {"trained": np.array(50.0)}, {"version": "7"})
        host, out = self.build(tmp_path)
        train(host, 5, 0)
        assert (float(out.one(m.Weights).state["trained"]), out.one(m.Weights).version) == (53.0, 8)


def test_labels_given_in_one_message_are_not_mixed_up(tmp_path):
    host, _ = trainer(tmp_path, {"window": 4})
    parts = [labels(m.Train, 1, 0, 3).batch, labels(m.Train, 1, 3, 3).batch]
    host.receive("manager", m.Train(1, Batch.concat(parts), np.zeros(6, np.bool_), np.zeros(6)))
    host.work(time.monotonic())
    assert model_of(host).used == [2, 3, 4, 5]
