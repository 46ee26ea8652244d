"""An oracle's answers and failures as messages."""

from __future__ import annotations

import os

import numpy as np
import pytest
from worlds import labels_of, points

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch, Field, Schema
from pal_core.kernels import Context, Oracle, OracleFailure
from pal_core.runtime.labelling import Labeller
from pal_core.runtime.scratch import empty

ATOMS = Schema([Field("positions", shape=("atoms", 3))])
FORCES = Schema([Field("energy"), Field("forces", shape=("atoms", 3))])
RIGHT = {"energy": np.array(1.0), "gradient": np.zeros(2)}


class Told(Oracle):
    """Does what it is told."""

    def __init__(self, act) -> None:
        super().__init__(None, Context("oracle"))
        self.act = act

    def label(self, sample):
        return self.act(sample)

    def inspect(self, sample):
        self.act(sample)


def raising(error):
    def act(sample):
        raise error

    return act


@pytest.fixture
def ask(tmp_path):
    """What becomes of a request to an oracle that does `act`."""

    def label(act, schema=LABEL, batch=None):
        labeller = Labeller(Told(act), schema, tmp_path / "scratch")
        return labeller.label(m.Label(7, 2, points(1) if batch is None else batch))

    return label


def test_label_is_sent_with_its_request_and_attempt(ask):
    answer = ask(lambda sample: RIGHT)
    assert isinstance(answer, m.Labelled)
    assert (answer.request, answer.attempt) == (7, 2)
    assert answer.batch[0]["energy"] == 1.0
    assert 0 <= answer.seconds < 10


def test_oracle_gets_the_sample(ask):
    batch = points(1)
    answer = ask(lambda sample: {"energy": sample["x"].sum(), "gradient": sample["x"]}, batch=batch)
    np.testing.assert_array_equal(answer.batch.columns["gradient"], batch.columns["x"])


def test_fields_that_nobody_asked_for_are_left_out(ask):
    assert list(ask(lambda sample: RIGHT | {"dipole": np.zeros(3)}).batch.schema) == ["energy", "gradient"]


@pytest.mark.parametrize("kind", ["unconverged", "crashed", "timeout", "invalid_input"])
def test_failure_keeps_its_kind_text_and_evidence(ask, kind):
    answer = ask(raising(OracleFailure(kind, "no luck", "line 7")))
    assert isinstance(answer, m.LabelFailed)
    assert (answer.request, answer.attempt) == (7, 2)
    assert (answer.failure, answer.text, answer.evidence) == (kind, "no luck", "line 7")


def test_end_of_long_evidence_is_kept(ask):
    answer = ask(raising(OracleFailure("unconverged", "no luck", "x" * 100_000 + "the last line")))
    assert len(answer.evidence) == 4000
    assert answer.evidence.endswith("the last line")


def test_failure_with_odd_text_and_evidence_can_be_sent(ask):
    answer = ask(raising(OracleFailure("crashed", ValueError("why"), b"bytes")))
    assert (answer.text, answer.evidence) == ("why", "b'bytes'")


def test_bug_of_the_kernel_is_a_crash_with_its_traceback(ask):
    answer = ask(raising(ZeroDivisionError("one over nothing")))
    assert (answer.failure, answer.text) == ("crashed", "ZeroDivisionError: one over nothing")
    assert "Traceback" in answer.evidence


@pytest.mark.parametrize(
    ("label", "complaint"),
    [
        ({"energy": np.array(1.0)}, "no field 'gradient'"),
        (RIGHT | {"gradient": np.zeros(3)}, "'gradient' has shape (3,), (2,) wanted"),
        (RIGHT | {"energy": np.array(1j)}, "complex128 can't become float64"),
    ],
)
def test_label_of_another_schema_is_a_crash_that_names_the_field(ask, label, complaint):
    answer = ask(lambda sample: label)
    assert answer.failure == "crashed"
    assert answer.text.startswith("the label doesn't fit its schema")
    assert complaint in answer.text


def test_no_label_at_all_is_a_crash(ask):
    assert ask(lambda sample: None).failure == "crashed"


def test_label_of_another_number_of_atoms_is_a_crash(ask):
    sample = Batch(ATOMS, {"positions": np.zeros((3, 3))}, [0, 3])
    right = {"energy": 0.0, "forces": np.zeros((3, 3))}
    assert isinstance(ask(lambda s: right, FORCES, sample), m.Labelled)
    answer = ask(lambda s: right | {"forces": np.zeros((2, 3))}, FORCES, sample)
    assert answer.failure == "crashed"
    assert "it has 2 atoms, the sample 3" in answer.text


def test_scratch_is_emptied_before_every_label(tmp_path):
    scratch, outside = tmp_path / "scratch", tmp_path / "outside"
    outside.mkdir()
    (outside / "kept").touch()
    found = []

    def act(sample):
        found.append(sorted(os.listdir(scratch)))  # noqa: PTH208 - names only
        (scratch / "folder").mkdir()
        (scratch / "folder" / "file").touch()
        (scratch / "file").touch()
        (scratch / "link").symlink_to(outside)
        return RIGHT

    labeller = Labeller(Told(act), LABEL, scratch)
    for _ in range(2):
        labeller.label(m.Label(1, 1, points(1)))
    assert found == [[], []]
    assert (outside / "kept").exists()


def test_scratch_that_cannot_be_made_is_a_failure(tmp_path):
    (tmp_path / "file").touch()
    answer = Labeller(Told(lambda s: RIGHT), LABEL, tmp_path / "file" / "scratch").label(m.Label(1, 1, points(1)))
    assert answer.failure == "crashed"


def test_empty_makes_the_directory(tmp_path):
    empty(tmp_path / "a" / "b")
    assert list((tmp_path / "a" / "b").iterdir()) == []


def test_inspection_tells_every_problem_once(tmp_path):
    def act(sample):
        if sample["x"][0] > 0:
            raise OracleFailure("invalid_input", "right of the middle")

    batch = points(20)
    assert 1 < (batch.columns["x"][:, 0] > 0).sum() < 20
    labeller = Labeller(Told(act), LABEL, tmp_path)
    assert labeller.inspect(m.Inspect(batch)) == m.Inspected(("right of the middle",))
    left = batch.take(batch.columns["x"][:, 0] <= 0)
    assert labeller.inspect(m.Inspect(left)) == m.Inspected(())


def test_labels_of_the_toy_fit_its_schema(ask):
    batch = points(1)
    answer = ask(lambda sample: labels_of(batch)[0], batch=batch)
    np.testing.assert_array_equal(answer.batch.columns["energy"], labels_of(batch).columns["energy"])
