"""Beginning anew."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from pal_core.data import Batch, Field, Schema
from pal_core.policies.renewal import Renewal, error_of


def rounds_until_due(renewal: Renewal, values) -> int:
    """Rounds that end before it is due, -1 if it never is."""
    for number, value in enumerate(values):
        if renewal.due:
            return number
        renewal.ended(value)
    return -1


def test_never_without_a_rule():
    assert rounds_until_due(Renewal(), [1.0] * 100) == -1


def test_every_few_rounds():
    assert rounds_until_due(Renewal(every=4), [1 / (k + 1) for k in range(9)]) == 4


def test_members_take_turns():
    made = [Renewal.of_member(k, 4, 8, None) for k in range(4)]
    assert [rounds_until_due(r, [1.0] * 20) for r in made] == [8, 6, 4, 2]


def test_when_the_error_has_stalled():
    assert rounds_until_due(Renewal(stalled=3), [3.0, 2.0, 2.0, 2.5, 2.1, 1.0]) == 5
    assert rounds_until_due(Renewal(stalled=3), [3.0, None, None, None, 2.0]) == -1, "no epoch, no judgement"


def test_one_on_trial_is_not_begun_anew_again():
    renewal = Renewal(every=2)
    renewal.begin()
    assert (renewal.times, renewal.trial) == (1, True)
    assert rounds_until_due(renewal, [1.0] * 10) == -1
    renewal.trial = False
    assert renewal.due


def test_notes_survive_json():
    renewal = Renewal(every=5, stalled=2)
    for value in (0.1 + 0.2, 0.5):
        renewal.ended(value)
    other = Renewal(every=5, stalled=2)
    other.go_on(json.loads(json.dumps(renewal.notes())))
    assert other == renewal
    fresh = Renewal()
    fresh.go_on(json.loads(json.dumps(Renewal().notes())))
    assert fresh.best == math.inf


SCHEMA = Schema([Field("energy", unit="eV"), Field("forces", shape=("atoms", 3), unit="eV/Å")])


def frames(energy, forces) -> Batch:
    return Batch(SCHEMA, {"energy": np.array(energy), "forces": np.array(forces)}, [0, 1, 3])


class TestErrorOf:
    LABELLED = frames([-1.0, 1.0], [[2.0, -2.0, 2.0], [-2.0, 2.0, -2.0], [2.0, 2.0, -4.0]])

    def test_perfect_and_useless(self):
        assert error_of(self.LABELLED, self.LABELLED) == 0
        mean = frames([0.0, 0.0], np.zeros((3, 3)))
        assert error_of(mean, self.LABELLED) == pytest.approx(1.0, rel=0.02), "as bad as the mean of the labels"

    def test_fields_count_alike_whatever_their_units(self):
        energy = frames([-0.5, 1.5], self.LABELLED.columns["forces"])
        assert error_of(energy, self.LABELLED) == pytest.approx(0.25)  # half the spread of one field of two

    def test_not_finite_is_infinite(self):
        assert error_of(frames([np.nan, 0.0], np.zeros((3, 3))), self.LABELLED) == math.inf
        assert error_of(Batch(Schema(), {}, size=2), self.LABELLED) == math.inf

    def test_labels_that_are_not_finite_say_nothing(self):
        labelled = frames([-1.0, 1.0], [[np.nan] * 3, [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
        predicted = frames([-1.0, 1.0], [[5.0] * 3, [1.0, -1.0, 1.0], [1.0, 1.0, -1.0]])
        assert error_of(predicted, labelled) == 0
        assert error_of(frames([-0.5, 1.5], predicted.columns["forces"]), labelled) == pytest.approx(0.25)
