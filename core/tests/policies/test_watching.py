"""Early stopping."""

from __future__ import annotations

import math

import pytest

from pal_core.policies.watching import MissingMetricError, Patience, watched


def run(values, epochs=3) -> tuple[int, int]:
    """The epoch with the best value, and the one after which patience was at an end, 0 if it wasn't."""
    patience, best = Patience(epochs), 0
    for number, value in enumerate(values, 1):
        best = number if patience.improved(value) else best
        if patience.over:
            return best, number
    return best, 0


def test_best_epoch_is_known_and_patience_ends():
    assert run([5, 4, 3, 4, 3, 5, 1]) == (3, 6)
    assert run([5, 4, 3, 2, 1]) == (5, 0)
    assert run([5, 6, 4, 5, 6, 3, 4]) == (6, 0)


def test_equal_value_is_no_improvement():
    assert run([2, 2, 2, 2]) == (1, 4)


def test_values_that_are_never_finite_end_it_too():
    assert run([math.inf] * 9) == (1, 4)


class TestWatched:
    METRICS = {"loss": 2.0, "validation_loss": 3.0, "validation_forces_mae": math.nan}

    def test_held_out_metric(self):
        assert watched(self.METRICS, "validation_loss", held_out=True) == 3.0

    def test_training_metric_stands_in_while_nothing_is_held_out(self):
        assert watched(self.METRICS, "validation_loss", held_out=False) == 2.0

    def test_nothing_is_worse_than_what_is_not_finite(self):
        assert watched(self.METRICS, "validation_forces_mae", held_out=True) == math.inf

    def test_unknown_metric_is_an_error_that_names_the_known_ones(self):
        with pytest.raises(MissingMetricError) as error:
            watched(self.METRICS, "validation_energy", held_out=True)
        assert error.value.message == (
            "training.monitor names 'validation_energy', the model's epochs have loss, validation_forces_mae, "
            "validation_loss"
        )
