"""Members that raise or give nonsense, in prediction and in training."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest
from odd_kernels import UNLUCKY
from test_training import ENDLESS, release, trainer, work
from worlds import make_setup, odd, points, started

from pal_core import messages as m
from pal_core.runtime.checkpoint import load_state, round_file
from pal_core.runtime.prediction import PredictionHost


def predictor(folder, table: dict[str, Any] | None = None, kernel: str = "Script", **options):
    """A host of two members, and its outbox."""
    model = {"kernel": odd(kernel), "members": 2, "options": options, **(table or {})}
    return started(PredictionHost, make_setup(folder, model=model), "prediction/0")


def predict(host, out, number: int = 0, unlucky: tuple[int, ...] = (), n: int = 8) -> m.Predicted | None:
    """The answer to a batch, None if there is none; some of its samples may be unlucky ones."""
    batch = points(n, seed=number)
    batch.columns["x"][list(unlucky), 0] = UNLUCKY
    host.receive("exchange", m.Predict(number, batch))
    host.work(time.monotonic())
    found = [p for p in out.of(m.Predicted) if p.batch_id == number]
    return found[0] if found else None


def broken(answer: m.Predicted) -> list[list[int]]:
    """Rows without a number, member by member."""
    return [np.flatnonzero(np.isnan(o.columns["energy"])).tolist() for o in answer.outputs]


class TestPrediction:
    """The member is begun anew with its last weights; what it can't predict is NaN, which nobody trusts."""

    @pytest.mark.parametrize("unlucky", [(3,), (0,), (7,), (1, 2, 6)])
    def test_only_the_samples_that_cannot_be_predicted_are_spoiled(self, tmp_path, unlucky):
        host, out = predictor(tmp_path, fails="one sample")
        host.receive("training/0", m.Weights(0, 4, {"trained": np.array(40.0)}))
        answer = predict(host, out, unlucky=unlucky)
        assert broken(answer) == [list(unlucky)] * 2
        sound = np.setdiff1d(np.arange(8), unlucky)
        assert answer.outputs[0].columns["energy"][sound].tolist() == [40.0] * len(sound)
        assert answer.versions == (4, 0)
        assert out.of(m.Broken) == []

    def test_error_and_spoiled_samples_are_reported_with_the_remedy(self, tmp_path):
        host, out = predictor(tmp_path, fails="one sample")
        predict(host, out, unlucky=(3,))
        raised, spoiled, *_ = out.of(m.Fault)
        assert raised.kernel.startswith(odd("Script"))
        assert (raised.key, raised.what) == ("model", "RuntimeError: no such sample today")
        assert raised.remedy == "member 0 predicts anew with its last weights (1 of 3 in a row)"
        assert "in predict" in raised.trace
        assert spoiled.what == "FloatingPointError: member 0 predicts values that are not finite for 1 of 8 samples"
        assert spoiled.remedy == "these samples are not trusted"

    def test_error_that_does_not_come_back_spoils_nothing(self, tmp_path, monkeypatch):
        host, out = predictor(tmp_path)

        def once(batch):
            raise MemoryError("full")

        monkeypatch.setattr(host._members[1], "predict", once)
        first = host._members[1]
        answer = predict(host, out)
        assert broken(answer) == [[], []]
        assert first.closed
        assert out.one(m.Fault).what == "MemoryError: full"
        assert host._faults == {0: 0, 1: 0}

    def test_member_that_can_predict_nothing_ends_the_run(self, tmp_path):
        host, out = predictor(tmp_path, fails="predict")
        assert predict(host, out) is None
        assert out.one(m.Broken).what == "RuntimeError: no predict today"
        assert len(out.of(m.Fault)) == 1

    def test_member_that_fails_at_every_batch_ends_the_run_after_its_resets(self, tmp_path):
        host, out = predictor(tmp_path, {"resets": 2}, fails="one sample")
        answers = [predict(host, out, number, unlucky=(1,)) for number in range(5)]
        assert [a is not None for a in answers] == [True, True, False, False, False]
        assert out.one(m.Broken).what == "RuntimeError: no such sample today"

    def test_a_sound_batch_in_between_makes_good_for_errors(self, tmp_path):
        host, out = predictor(tmp_path, {"resets": 1}, fails="one sample")
        for number in range(6):
            assert predict(host, out, number, unlucky=(1,) if number % 2 == 0 else ()) is not None

    def test_policy_stop_ends_the_run_at_once(self, tmp_path):
        host, out = predictor(tmp_path, {"on_error": "stop"}, fails="one sample")
        assert predict(host, out, unlucky=(1,)) is None
        assert out.one(m.Broken).what == "RuntimeError: no such sample today"

    def test_single_sample_that_cannot_be_predicted_is_answered(self, tmp_path):
        host, out = predictor(tmp_path, fails="one sample")
        assert broken(predict(host, out, unlucky=(0,), n=1)) == [[0], [0]]

    def test_predictions_of_other_samples_are_the_models_fault(self, tmp_path):
        host, out = predictor(tmp_path, fails="length")
        assert predict(host, out, n=3) is None
        assert out.one(m.Broken).what == "SchemaError: 0 predictions for 1 samples"
        assert out.of(m.Fault)[0].what == "SchemaError: 2 predictions for 3 samples"

    def test_nonsense_is_passed_on_and_reported(self, tmp_path):
        host, out = predictor(tmp_path, kernel="Nonsense")
        assert broken(predict(host, out, n=2)) == [[0, 1], [0, 1]]
        assert [f.remedy for f in out.of(m.Fault)] == ["these samples are not trusted"] * 2
        assert host._faults == {0: 0, 1: 0}

    def test_members_that_can_predict_together_do(self, tmp_path):
        host, out = predictor(tmp_path, kernel="Joint")
        host.receive("training/0", m.Weights(1, 4, {"trained": np.array(40.0)}))
        answer = predict(host, out, n=2)
        assert [o.columns["energy"].tolist() for o in answer.outputs] == [[100.0] * 2, [140.0] * 2]
        assert answer.versions == (0, 4)
        assert out.of(m.Fault) == []

    @pytest.mark.parametrize(
        ("fails", "what"),
        [
            ("together", "ArithmeticError: too many at once"),
            ("joint length", "SchemaError: predict_together gave 1 predictions of 2 members"),
        ],
    )
    def test_members_that_fail_together_predict_one_by_one(self, tmp_path, fails, what):
        host, out = predictor(tmp_path, kernel="Joint", fails=fails)
        answer = predict(host, out, n=2)
        assert [o.columns["energy"].tolist() for o in answer.outputs] == [[0.0] * 2] * 2
        fault = out.one(m.Fault)
        assert (fault.what, fault.remedy) == (what, "the members predict one by one")
        assert host._faults == {0: 0, 1: 0}

    def test_members_that_always_fail_together_are_not_asked_together_for_ever(self, tmp_path):
        host, out = predictor(tmp_path, kernel="Joint", fails="together")
        answers = [predict(host, out, n=2) for _ in range(6)]
        assert [a.outputs[1].columns["energy"].tolist() for a in answers] == [[0.0] * 2] * 6
        told = [f.remedy for f in out.of(m.Fault)]
        assert told == ["the members predict one by one"] * 3 + ["the members predict one by one from now on"]

    def test_error_of_one_member_predicted_together_stays_its_own(self, tmp_path, monkeypatch):
        host, out = predictor(tmp_path, kernel="Joint")

        def always(batch):
            raise MemoryError("full")

        monkeypatch.setattr(host._members[1], "predict", always)
        sound, sick = host._members[0], host._members[1]
        assert broken(predict(host, out)) == [[], []]
        assert (sound.closed, sick.closed) == (False, True)
        assert [f.remedy for f in out.of(m.Fault)] == [
            "the members predict one by one",
            "member 1 predicts anew with its last weights (1 of 3 in a row)",
        ]

    def test_nonsense_of_one_member_predicted_together_stays_its_own(self, tmp_path):
        host, out = predictor(tmp_path, kernel="Joint", fails="joint nonsense")
        assert broken(predict(host, out, n=2)) == [[], [0, 1]]
        assert out.one(m.Fault).what.startswith("FloatingPointError: member 1 predicts values that are not finite")

    @pytest.mark.parametrize("bad", [np.nan, -np.inf])
    def test_weights_that_are_not_finite_are_refused(self, tmp_path, bad):
        host, out = predictor(tmp_path)
        host.receive("training/0", m.Weights(0, 1, {"trained": np.array(10.0)}))
        host.receive("training/0", m.Weights(0, 2, {"trained": np.array(bad), "other": np.array(1)}))
        answer = predict(host, out)
        assert (answer.versions, answer.outputs[0].columns["energy"][0]) == ((1, 0), 10.0)
        fault = out.one(m.Fault)
        assert fault.what == "FloatingPointError: new weights of member 0 are not finite: trained"
        assert fault.remedy == "the member predicts with its last weights"

    def test_weights_that_cannot_be_loaded_leave_the_last_ones(self, tmp_path, monkeypatch):
        host, out = predictor(tmp_path)
        host.receive("training/0", m.Weights(0, 1, {"trained": np.array(10.0)}))
        host.work(time.monotonic())
        host.receive("training/0", m.Weights(0, 2, {"nothing": np.array(20.0)}))
        answer = predict(host, out)
        assert (answer.versions, answer.outputs[0].columns["energy"][0]) == ((1, 0), 10.0)
        assert out.one(m.Fault).what == "KeyError: 'trained'"


class TestTraining:
    """The member is begun anew with all labels and its last published weights."""

    def test_error_is_reported_and_training_goes_on_from_the_last_weights(self, tmp_path, monkeypatch):
        host, out = trainer(tmp_path, members=2, epochs=6, training={"publish_every": 2})
        host.receive("manager", release(1))
        host.receive("manager", release(2, 2))
        work(host, turns=7)  # three epochs each: weights of two have been published
        member = host._members[0]
        first = member.model
        monkeypatch.setattr(first, "train", lambda: 1 / 0)

        def fail():
            raise ArithmeticError("diverged")
            yield

        member.epochs = fail()
        while not out.of(m.Fault):
            host.work(time.monotonic())
        fault = out.one(m.Fault)
        assert fault.kernel.startswith(odd("Script"))
        assert (fault.key, fault.what) == ("model", "ArithmeticError: diverged")
        assert fault.remedy == "member 0 trains on from its last weights (1 of 3 in a row)"
        assert "in fail" in fault.trace
        assert first.closed
        assert member.model.trained == 2
        assert member.model.points == first.points == [1] * 4 + [2] * 2
        work(host)
        assert out.of(m.RoundEnded)
        assert out.of(m.Broken) == []

    @pytest.mark.parametrize("method", ["train", "epoch"])
    def test_member_that_always_fails_ends_the_run_after_its_resets(self, tmp_path, method):
        host, out = trainer(tmp_path, fails=method, training={"resets": 2})
        host.receive("manager", release(1))
        work(host)
        broken = out.one(m.Broken)
        assert (broken.key, broken.what) == ("model", f"RuntimeError: no {method} today")
        remedies = [f.remedy for f in out.of(m.Fault)]
        assert remedies == [f"member 0 trains on from its last weights ({k} of 2 in a row)" for k in (1, 2)]
        assert out.of(m.Weights) == []
        host.receive("manager", m.Halt(set=1))
        assert out[-1] == ("manager", m.Halted())

    def test_weights_that_diverge_are_never_published(self, tmp_path):
        host, out = trainer(
            tmp_path, epochs=4, fails="divergence", good_epochs=2, training={"publish_every": 2, "resets": 2}
        )
        host.receive("manager", release(1))
        work(host)
        assert [float(w.state["trained"]) for w in out.of(m.Weights)] == [2.0]
        what = "FloatingPointError: training of member 0 has led to weights that are not finite: trained"
        assert [f.what for f in out.of(m.Fault)] == [what] * 2
        assert out.one(m.Broken).what == what

    def test_training_that_diverges_in_every_round_ends_the_run(self, tmp_path):
        host, out = trainer(tmp_path, epochs=3, fails="divergence", training={"resets": 2})
        for number in (1, 2, 3, 4):
            host.receive("manager", release(number))
            work(host)
        assert [r.round for r in out.of(m.RoundEnded)] == [1, 2]
        assert len(out.of(m.Fault)) == 2
        assert out.one(m.Broken).what.endswith("are not finite: trained")

    def test_divergence_now_and_then_is_survived_and_the_round_ends_with_finite_weights(self, tmp_path, monkeypatch):
        host, out = trainer(tmp_path, epochs=ENDLESS, training={"publish_every": 2})
        host.receive("manager", release(1))
        work(host, turns=4)
        monkeypatch.setattr(host._members[0].model, "weights", lambda: {"trained": np.array(np.nan)})
        host.receive("manager", m.Finish(0.0))
        time.sleep(0.01)
        work(host)
        assert out.one(m.Fault).remedy.startswith("member 0 trains on from its last weights")
        assert out.of(m.RoundEnded)
        assert load_state(round_file(tmp_path / "run", 0, 1))[0]["trained"] == 2.0

    def test_policy_stop_ends_the_run_at_once(self, tmp_path):
        host, out = trainer(tmp_path, fails="train", training={"on_error": "stop"})
        host.receive("manager", release(1))
        work(host)
        assert out.one(m.Broken).what == "RuntimeError: no train today"
        assert out.of(m.Fault) == []

    def test_the_other_members_train_on(self, tmp_path, monkeypatch):
        host, out = trainer(tmp_path, members=2, epochs=3)
        host.receive("manager", release(1))
        host.work(time.monotonic())
        host._members[1].epochs = (1 / 0 for _ in range(1))
        work(host)
        assert out.one(m.Fault).what == "ZeroDivisionError: division by zero"
        assert [k.model.trained for k in host._members.values()] == [3, 3]
        assert out.one(m.RoundEnded).members == (0, 1)
