"""Labels that a training host has."""

from __future__ import annotations

import numpy as np
import pytest
from worlds import labels_of, points

from pal_core.runtime.pool import Pool


def filled(*sizes: int) -> Pool:
    pool = Pool()
    for size in sizes:
        batch = points(size)
        batch = batch.join(labels_of(batch))
        batch.columns["energy"][:] = np.arange(pool.arrived, pool.arrived + size)
        pool.add(batch, np.arange(pool.arrived, pool.arrived + size) % 4 == 3)
    return pool


def test_labels_are_numbered_as_they_come():
    pool = filled(3, 0, 5)
    assert (pool.arrived, len(pool)) == (8, 8)
    batch, validation = pool.take(np.array([1, 3, 7]))
    assert batch.columns["energy"].tolist() == [1, 3, 7]
    assert validation.tolist() == [False, True, True]
    assert pool.held_out(np.arange(1, 8)).tolist() == [3, 7]


def test_others_are_forgotten_once_they_are_the_greater_part():
    pool = filled(10, 10)
    pool.keep(np.arange(8, 20))
    assert len(pool) == 20
    pool.keep(np.array([2, 17]))
    assert len(pool) == 2
    assert pool.take(np.array([2, 17]))[0].columns["energy"].tolist() == [2, 17]
    assert pool.arrived == 20


@pytest.mark.parametrize("asked", [[3], [2, 18], [25]])
def test_what_is_not_there_is_an_error(asked):
    pool = filled(20)
    pool.keep(np.array([2, 17]))
    with pytest.raises(KeyError):
        pool.take(np.array(asked))
