"""What an oracle's process may send as an answer."""

from __future__ import annotations

import pytest
from worlds import labels_of, points

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch, Field, Schema
from pal_core.runtime.answers import misfit

TASK = m.Label(4, 2, points(1))
RIGHT = m.Labelled(4, 2, labels_of(points(1)), 0.5)


@pytest.mark.parametrize(
    ("task", "answer"),
    [
        (TASK, RIGHT),
        (TASK, m.LabelFailed(4, 2, "unconverged", "no luck", "line 7", 1)),
        (m.Inspect(points(2)), m.Inspected(("a problem",))),
        (None, m.Ready()),
        (TASK, m.Halted()),
        (TASK, m.Note("oracle 0", "a note")),
        (None, m.Broken("kernel", "oracle", "what", "trace")),
    ],
)
def test_answers_that_fit(task, answer):
    assert misfit(task, answer, LABEL) == ""


@pytest.mark.parametrize(
    ("task", "answer", "problem"),
    [
        (None, RIGHT, "Labelled without being asked"),
        (m.Inspect(points(1)), RIGHT, "Labelled without being asked"),
        (TASK, m.Inspected(()), "Inspected without being asked"),
        (TASK, m.Labelled(5, 2, RIGHT.batch, 0.5), "an answer to request 5, not to 4"),
        (TASK, m.Labelled("4", 2, RIGHT.batch, 0.5), "an answer to request '4', not to 4"),
        (TASK, m.Labelled(4, 2, None, 0.5), "a label that is not one label"),
        (TASK, m.Labelled(4, 2, labels_of(points(2)), 0.5), "a label that is not one label"),
        (TASK, m.Labelled(4, 2, points(1), 0.5), "a label that is not one label"),
        (TASK, m.LabelFailed(4, 2, "tired", "", "", 0.5), "a failure of kind 'tired'"),
        (TASK, m.LabelFailed(4, 2, "crashed", None, "", 0.5), "a failure of kind 'crashed'"),
        (m.Inspect(points(1)), m.Inspected((7,)), "a Inspected of other things than texts"),
        (None, m.Note("oracle 0", None), "a Note of other things than texts"),
    ],
)
def test_answers_that_do_not(task, answer, problem):
    assert misfit(task, answer, LABEL) == problem


def test_label_of_another_number_of_atoms():
    atoms = Schema([Field("positions", shape=("atoms", 3))])
    forces = Schema([Field("forces", shape=("atoms", 3))])
    task = m.Label(1, 1, Batch(atoms, {"positions": [[0.0] * 3] * 3}, [0, 3]))
    answer = m.Labelled(1, 1, Batch(forces, {"forces": [[0.0] * 3] * 2}, [0, 2]), 0.0)
    assert misfit(task, answer, forces) == "the label doesn't fit its sample: it has 2 atoms, the sample 3"
