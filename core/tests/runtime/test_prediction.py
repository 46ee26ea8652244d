"""The host of members that predict."""

from __future__ import annotations

import time

import numpy as np
import pytest
from worlds import make_setup, odd, points, started

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch, Field, Schema, SchemaError
from pal_core.runtime import prediction
from pal_core.runtime.checkpoint import round_file, save_state
from pal_core.runtime.prediction import PredictionHost


@pytest.fixture
def predictor(tmp_path):
    """Makes a host with two scripted members."""

    def make(model=None, run=None, **options):
        table = {"kernel": odd("Script"), "members": 2, "options": options, **(model or {})}
        setup = make_setup(tmp_path, model=table, run=run or {})
        return started(PredictionHost, setup, "prediction/0")

    return make


def weights(member: int, version: int) -> m.Weights:
    """Weights that let a member predict ten times its version."""
    return m.Weights(member, version, {"trained": np.array(10.0 * version)})


def energies(message: m.Predicted) -> list[float]:
    return [float(o.columns["energy"][0]) for o in message.outputs]


def work(host, seconds: float = 0.0) -> bool:
    return host.work(time.monotonic() + seconds)


def test_batch_is_answered_by_all_members_with_their_versions(predictor):
    host, out = predictor()
    host.receive("exchange", m.Predict(4, points(3)))
    assert work(host) is True
    assert out[-1][0] == "exchange"
    answer = out.one(m.Predicted)
    assert (answer.batch_id, answer.members, answer.versions) == (4, (0, 1), (0, 0))
    assert [len(o) for o in answer.outputs] == [3, 3]
    assert work(host) is False


def test_columns_that_nobody_asked_for_do_not_travel(predictor):
    host, out = predictor()
    host.receive("exchange", m.Predict(0, points(3)))
    work(host)
    assert out.one(m.Predicted).outputs[0].schema == LABEL


def test_newest_weights_are_loaded_before_the_next_batch(predictor):
    host, out = predictor()
    for message in (weights(0, 1), weights(0, 3), weights(0, 2), weights(1, 1)):
        host.receive("training/0", message)
    host.receive("exchange", m.Predict(0, points(1)))
    work(host)
    answer = out.one(m.Predicted)
    assert answer.versions == (3, 1)
    assert energies(answer) == [30, 10]
    assert [model.loads for model in host._members.values()] == [1, 1]


def test_old_weights_are_not_loaded_any_more(predictor):
    host, out = predictor()
    host.receive("training/0", weights(0, 5))
    work(host)
    host.receive("training/0", weights(0, 5))
    host.receive("training/0", weights(0, 4))
    assert work(host) is False
    host.receive("exchange", m.Predict(0, points(1)))
    work(host)
    assert out.one(m.Predicted).versions == (5, 0)


def test_waiting_batches_are_answered_one_by_one_in_order(predictor):
    host, out = predictor()
    for number in range(3):
        host.receive("exchange", m.Predict(number, points(1)))
    work(host)
    host.receive("training/0", weights(1, 9))
    work(host)
    work(host)
    assert [(a.batch_id, a.versions) for a in out.of(m.Predicted)] == [(0, (0, 0)), (1, (0, 9)), (2, (0, 9))]


def test_batch_waits_for_the_versions_it_is_to_be_predicted_with(predictor):
    host, out = predictor()
    host.receive("exchange", m.Predict(0, points(1), {"0": 2}))
    assert work(host) is False
    host.receive("training/0", weights(0, 2))
    work(host)
    assert out.one(m.Predicted).versions == (2, 0)
    host.receive("exchange", m.Predict(1, points(1), {"0": 3}))
    assert work(host, prediction.WEIGHTS_LIMIT - 1) is False
    assert work(host, prediction.WEIGHTS_LIMIT + 1) is True


def test_announced_weights_that_do_not_come_are_done_without_and_a_note_says_so(predictor):
    host, out = predictor()
    host.receive("exchange", m.Predict(0, points(1), {"0": 5}))
    assert work(host, prediction.WEIGHTS_LIMIT - 1) is False
    assert out.of(m.Note) == []
    work(host, prediction.WEIGHTS_LIMIT + 1)
    assert out.one(m.Predicted).versions == (0, 0)
    assert out.one(m.Note).text == "announced weights did not come within 10 s: older ones predict"


def test_deterministic_run_ends_when_announced_weights_do_not_come(predictor):
    host, out = predictor(run={"schedule": "serial", "batching": "all"})
    host.receive("exchange", m.Predict(0, points(1), {"0": 5}))
    assert work(host, prediction.WEIGHTS_LIMIT - 1) is False
    work(host, prediction.WEIGHTS_LIMIT + 1)
    assert out.of(m.Predicted) == []
    assert out.one(m.Broken).what == "TimeoutError: announced weights did not come within 10 s"


def test_run_that_goes_on_predicts_with_the_weights_of_its_last_rounds(predictor, tmp_path):
    for number, version in ((1, 3), (2, 6)):
        state = {"trained": np.array(10.0 * version)}
        save_state(round_file(tmp_path / "run", 1, number), state, {"version": str(version)})
    host, out = predictor()
    host.receive("training/0", weights(1, 5))
    host.receive("exchange", m.Predict(0, points(1)))
    work(host)
    answer = out.one(m.Predicted)
    assert answer.versions == (0, 6)
    assert energies(answer) == [0, 60]


class TestHalting:
    """The last weights are awaited."""

    def test_host_halts_at_once_if_nothing_is_announced(self, predictor):
        host, out = predictor()
        host.receive("manager", m.Halt())
        assert out[-2:] == [("manager", m.Halted()), ("exchange", m.Halted())]
        assert all(model.closed for model in host._members.values())

    def test_host_waits_for_announced_versions_and_loads_them(self, predictor):
        host, out = predictor()
        host.receive("exchange", m.Halt({"0": 4, "1": 2, "7": 99}))
        host.receive("training/0", weights(0, 4))
        work(host)
        work(host)
        assert out.of(m.Halted) == []
        host.receive("training/0", weights(1, 2))
        work(host)
        work(host)
        assert len(out.of(m.Halted)) == 2
        assert [model.trained for model in host._members.values()] == [40, 20]

    def test_versions_that_are_there_already_are_not_awaited(self, predictor):
        host, out = predictor()
        host.receive("training/0", weights(0, 4))
        work(host)
        host.receive("exchange", m.Halt({"0": 4}))
        assert out.of(m.Halted)

    def test_waiting_has_a_limit(self, predictor):
        host, out = predictor()
        host.receive("exchange", m.Halt({"0": 4}))
        work(host, prediction.WEIGHTS_LIMIT - 1)
        assert out.of(m.Halted) == []
        work(host, prediction.WEIGHTS_LIMIT + 1)
        assert len(out.of(m.Halted)) == 2

    def test_broken_host_waits_for_nothing(self, predictor):
        host, out = predictor({"on_error": "stop"}, fails="predict")
        host.receive("exchange", m.Predict(0, points(1)))
        work(host)
        host.receive("exchange", m.Halt({"0": 4}))
        assert len(out.of(m.Halted)) == 2

    def test_order_of_the_manager_to_a_broken_host_is_obeyed_at_once(self, predictor):
        host, out = predictor({"on_error": "stop"}, fails="load")
        host.receive("exchange", m.Halt({"0": 4}))
        host.receive("training/0", weights(0, 4))
        work(host)
        assert out.one(m.Broken).what == "RuntimeError: no load today"
        host.receive("manager", m.Halt())
        assert len(out.of(m.Halted)) == 2


def test_predictions_of_other_atoms_are_the_models_fault(predictor):
    schema = Schema([Field("forces", shape=("atoms", 3))])
    batch, output = (Batch(schema, {"forces": np.zeros((3, 3))}, offsets) for offsets in ([0, 1, 3], [0, 2, 3]))
    host, _ = predictor()
    with pytest.raises(SchemaError, match="predictions have other numbers of atoms than their samples"):
        host._fit(output, batch)
