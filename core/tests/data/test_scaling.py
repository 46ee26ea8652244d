"""A thousand samples cost no more Python than ten: work is counted in function calls, not in seconds."""

from __future__ import annotations

import gc
import sys
from functools import partial

import numpy as np
import pytest

from pal_core.data import Batch, Committee, Field, Schema

SAMPLE = Schema(
    [Field("numbers", "int32", ("atoms",)), Field("positions", "float64", ("atoms", 3)), Field("charge", "int32")]
)
PREDICTED = Schema([Field("energy", "float64"), Field("forces", "float64", ("atoms", 3))])
ATOMS = 20


def calls(work):
    """Number of function calls, of Python and of C functions, that `work` makes."""
    count = 0

    def profile(frame, event, argument):
        nonlocal count
        count += event in ("call", "c_call")

    gc.disable()  # hypothesis hangs a function on every collection
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(None)
        gc.enable()
    return count


def made(schema, n):
    """Samples of 20 atoms on average, every third without any."""
    counts = np.tile([0, ATOMS, 2 * ATOMS], n // 3 + 1)[:n]
    offsets = np.concatenate([[0], np.cumsum(counts)])
    columns = {
        name: np.ones((offsets[-1] if field.ragged else n, *field.inner), field.dtype) for name, field in schema.items()
    }
    return Batch(schema, columns, offsets)


def join(n):
    parts = [made(SAMPLE, n) for _ in range(4)]
    return lambda: Batch.concat(parts)


def split(n):
    batch = made(SAMPLE, 4 * n)
    return lambda: batch.split([n, 2 * n, n])


def take(n):
    batch, order = made(SAMPLE, n), np.random.default_rng(0).permutation(n)
    return lambda: (batch.take(order), batch.take(order < n // 2))


def combine(n):
    samples, labels = made(SAMPLE, n), made(PREDICTED, n)
    return lambda: samples.join(labels).pick(["positions", "energy"])


def reduce(n):
    members = [made(PREDICTED, n) for _ in range(4)]

    def work():
        committee = Committee(members)
        for how in ("max", "mean", "rms"):
            committee.uncertainty("forces", how)
            committee.uncertainty("energy", how)

    return work


@pytest.mark.parametrize("task", [join, split, take, combine])
def test_python_work_does_not_grow_with_the_samples(task):
    task(10)()  # whatever is done once only is done
    few, many = calls(task(10)), calls(task(1000))
    assert few == many
    assert 0 < many < 1000


def test_python_work_of_statistics_grows_with_blocks_of_numbers_only():
    """A thousand samples of 20 atoms are 61,000 numbers, eight blocks; four members, four calls for each."""
    reduce(10)()
    few, many = calls(reduce(10)), calls(reduce(1000))
    assert many - few < 7 * 4 * 12


def test_counter_sees_work_on_every_sample():
    """Iterating makes a dictionary per sample."""
    few, many = (calls(partial(list, made(SAMPLE, n))) for n in (10, 1000))
    assert many >= few + 990
