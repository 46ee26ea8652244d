"""Errors of committees on labelled samples."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import labels_of, make_setup, odd, points

from pal_core import evaluation
from pal_core.api import Result, RunError
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch, Committee, Field, Schema
from pal_core.evaluation import errors, evaluate
from pal_core.runtime.checkpoint import round_file, save_state
from pal_core.store.store import Store


def energies(*values: float) -> Batch:
    n = len(values)
    return Batch(LABEL, {"energy": np.array(values), "gradient": np.zeros((n, 2))}, size=n)


def test_errors_are_those_of_the_mean():
    committee = Committee([energies(1.0, 2.0, 0.0), energies(3.0, 2.0, 0.0)])
    found = errors(committee, energies(1.0, 2.0, 4.0), "energy")
    assert found.mae == pytest.approx(5 / 3)
    assert found.rmse == pytest.approx(np.sqrt(17 / 3))
    assert found.worst == 4.0
    assert found.std == pytest.approx(np.sqrt(2) / 3)


def test_errors_of_ragged_fields_go_over_all_components():
    schema = Schema([Field("forces", shape=("atoms", 3))])
    batch = Batch(schema, {"forces": np.zeros((3, 3))}, [0, 1, 3])
    label = Batch(schema, {"forces": np.arange(9.0).reshape(3, 3)}, [0, 1, 3])
    found = errors(Committee([batch, batch]), label, "forces")
    assert (found.mae, found.worst, found.std) == (4.0, 8.0, 0.0)


@pytest.fixture
def result(tmp_path):
    """A run whose scripted members predict 3 after the first round and 5 after the second."""
    setup = make_setup(tmp_path, model={"kernel": odd("Script"), "options": {}})
    store = Store(tmp_path / "run", write=True)
    store.open_session("{}", {})
    for number, value in ((1, 3.0), (2, 5.0)):
        for member in (0, 1):
            state = {"trained": np.array(value)}
            save_state(round_file(tmp_path / "run", member, number), state, {"version": str(number)})
            store.add_round(number, member, version=number, epoch=1, labels=10 * number, metrics={})
    store.close()
    return Result(setup.loaded, "done", "")


def labelled(n: int) -> Batch:
    batch = points(n)
    return batch.join(labels_of(batch))


def test_every_round_on_disk_is_measured(result, monkeypatch):
    monkeypatch.setattr(evaluation, "_BATCH", 7)  # several batches, the last one smaller
    data = labelled(30)
    found = evaluate(result, data)
    assert [(f["round"], f["labels"]) for f in found] == [(1, 10), (2, 20)]
    for record, value in zip(found, (3.0, 5.0), strict=True):
        wanted = np.abs(value - data.columns["energy"]).mean()
        assert record["errors"]["energy"]["mae"] == pytest.approx(wanted)
        assert set(record["errors"]) == {"energy", "gradient"}
        assert set(record["errors"]["energy"]) == {"mae", "rmse", "worst", "std"}


def test_chosen_rounds_only_and_fields_that_are_labelled(result):
    data = labelled(5).pick(["x", "gradient"])
    (found,) = evaluate(result, data, [2])
    assert found["round"] == 2
    assert list(found["errors"]) == ["gradient"]


def test_rounds_that_a_member_lacks_do_not_count(result, tmp_path):
    round_file(tmp_path / "run", 1, 2).unlink()
    assert [f["round"] for f in evaluate(result, labelled(5))] == [1]


def test_run_without_rounds_is_refused(result, tmp_path):
    for number in (1, 2):
        round_file(tmp_path / "run", 0, number).unlink()
    with pytest.raises(RunError, match="has no trained weights yet; let the run train a round first"):
        evaluate(result, labelled(5))


def test_models_are_closed(result, monkeypatch):
    made = []
    models = Result.models
    monkeypatch.setattr(Result, "models", lambda self, number: made.append(models(self, number)) or made[-1])
    evaluate(result, labelled(5))
    assert all(model.closed for committee in made for model in committee)
    assert len(made) == 2
