"""Turning molecules away from the axes."""

from __future__ import annotations

import numpy as np
import pytest

from pal_xtb.frame import generic_frame


def shares_a_coordinate(positions):
    differences = np.abs(positions[:, None] - positions[None, :])
    return bool((differences[~np.eye(len(positions), dtype=bool)] < 1e-6).any())


def test_generic_positions_are_left_alone():
    positions = np.random.default_rng(0).normal(0, 5, (30, 3))
    np.testing.assert_array_equal(generic_frame(positions), np.eye(3))
    np.testing.assert_array_equal(generic_frame(positions[:1]), np.eye(3))


@pytest.mark.parametrize(
    "positions",
    [
        np.eye(4)[:, :3],
        np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2.5]]),
        np.stack(np.meshgrid(*[np.arange(4.0)] * 3), -1).reshape(-1, 3),
        np.array([[0, 0, 0], [1e-8, 1, 2.0]]),
    ],
    ids=["corner", "line", "grid", "nearly"],
)
def test_aligned_positions_are_turned(positions):
    frame = generic_frame(positions)
    assert shares_a_coordinate(positions)
    assert not shares_a_coordinate(positions @ frame.T)
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-15)
    assert np.linalg.det(frame) == pytest.approx(1)


def test_positions_that_cannot_be_told_apart_have_no_frame():
    assert generic_frame(np.zeros((2, 3))) is None
