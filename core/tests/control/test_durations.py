"""Durations of labels: the longest of the recent ones of a size, else scaled from the nearest sizes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pal_core.control.durations import Durations


def measured(*labels: tuple[int, float]) -> Durations:
    durations = Durations()
    for size, seconds in labels:
        durations.add(size, seconds)
    return durations


def test_nothing_is_known_before_the_first_label():
    assert Durations().estimate(3) is None


def test_longest_recent_label_of_the_size_counts():
    assert measured((3, 10.0), (3, 30.0), (3, 20.0)).estimate(3) == 30.0


def test_old_labels_are_forgotten():
    assert measured((3, 500.0), *[(3, 10.0)] * 20).estimate(3) == 10.0


def test_smaller_samples_take_no_longer_than_the_next_larger_ones():
    assert measured((10, 50.0), (20, 400.0)).estimate(5) == 50.0


def test_larger_samples_take_longer_by_the_third_power_of_the_size():
    assert measured((5, 7.0), (10, 50.0)).estimate(20) == pytest.approx(400.0)


def test_size_between_two_measured_ones_takes_the_smaller_guess():
    assert measured((10, 50.0), (20, 90.0)).estimate(15) == 90.0
    assert measured((10, 50.0), (20, 900.0)).estimate(11) == pytest.approx(50.0 * 1.1**3)


def test_samples_without_size_are_estimated_too():
    assert measured((0, 2.0)).estimate(1) == 2.0


@given(st.lists(st.tuples(st.integers(1, 50), st.floats(0.1, 1e5)), min_size=1), st.integers(1, 60))
def test_estimate_lies_between_what_was_measured_and_its_scaled_value(labels, size):
    estimate = measured(*labels).estimate(size)
    assert min(s for _, s in labels) <= estimate <= max(s for _, s in labels) * 60.0**3
