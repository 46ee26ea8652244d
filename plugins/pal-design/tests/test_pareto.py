from __future__ import annotations

import numpy as np
import pytest
from pal_core import rng
from scipy.stats import qmc

from pal_design.hypercube import latin_hypercube
from pal_design.pareto import better, crowding, front, hypervolume


def test_front_leaves_out_what_another_is_better_than():
    values = np.array([[1, 4], [2, 2], [4, 1], [3, 3], [2, 2], [1, 5.0]])
    np.testing.assert_array_equal(front(values), [True, True, True, False, False, False])


def test_design_that_keeps_the_limits_is_better_than_any_that_does_not():
    one, other = np.array([9.0, 9.0]), np.array([1.0, 1.0])
    assert better(one, np.array(0.0), other, np.array(0.1))
    assert not better(other, np.array(0.1), one, np.array(0.0))
    assert not better(one, np.array(0.0), one, np.array(0.0))


def test_crowding_is_infinite_at_the_ends_and_half_the_perimeter_between():
    values = np.array([[0, 4], [1, 2], [4, 0.0]])
    np.testing.assert_allclose(crowding(values), [np.inf, 1 + 1, np.inf])


@pytest.mark.parametrize("values", [[[1, 2], [2, 1]], [[2, 1], [1, 2], [2, 2], [9, 0]]])
def test_hypervolume_is_the_area_that_is_dominated(values):
    # Two rectangles of 2 x 1 and 1 x 2 up to (3, 3), which share a square.
    assert hypervolume(np.array(values, float), np.array([3.0, 3.0])) == pytest.approx(3)


def test_hypercube_has_one_point_in_every_interval_of_every_coordinate():
    points = latin_hypercube(rng.stream(1, "test", 0), 8, 3)
    np.testing.assert_array_equal(np.sort(np.floor(points * 8), axis=0), np.arange(8)[:, None] * np.ones(3))
    assert qmc.discrepancy(points) < 0.1  # 0.2 and more where points are drawn one by one
