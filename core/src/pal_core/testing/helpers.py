"""What several contracts need: copies, comparisons and random data."""

# ruff: noqa: S101  asserts are what contract tests are made of
from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch, Schema

__all__ = ["Values", "check_fits", "check_state", "copied", "frozen", "random_batch", "same"]

Values = Mapping[str, NDArray[Any]]


def copied(values: Values) -> dict[str, NDArray[Any]]:
    """A deep copy."""
    return {name: np.array(value) for name, value in values.items()}


def frozen(values: Values) -> dict[str, NDArray[Any]]:
    """A deep copy that raises when it is written to, like a view into a received message."""
    out = copied(values)
    for value in out.values():
        value.flags.writeable = False
    return out


def same(a: Values, b: Values) -> bool:
    """Whether both hold the same names and bits; NaN equals NaN."""
    return a.keys() == b.keys() and all(_same_array(np.asarray(a[name]), np.asarray(b[name])) for name in a)


def _same_array(a: NDArray[Any], b: NDArray[Any]) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and np.array_equal(a, b, equal_nan=a.dtype.kind == "f")


def check_fits(values: Values, schema: Schema, who: str) -> None:
    """Assert that one sample or label has exactly the fields of `schema`, in their types and shapes."""
    assert set(values) == set(schema), f"{who} has the fields {sorted(values)}, its interface says {sorted(schema)}"
    Batch.from_samples(schema, [values])
    for name, field in schema.items():
        found = np.asarray(values[name]).dtype
        assert found == np.dtype(field.dtype), f"{who}: {name!r} is {found}, its interface says {field.dtype}"


def check_state(state: Values, who: str) -> None:
    """Assert that a state holds plain arrays only."""
    for name, value in state.items():
        assert isinstance(name, str), f"{who}: the name {name!r} is not a string"
        assert isinstance(value, np.ndarray), f"{who}: {name!r} is {type(value).__name__}, not an array"
        assert value.dtype.kind in "biufSU", f"{who}: {name!r} has dtype {value.dtype}, which needs pickle"


def random_batch(schema: Schema, rng: np.random.Generator, counts: list[int]) -> Batch:
    """A batch of normally distributed numbers.

    Parameters
    ----------
    schema : Schema
    rng : numpy.random.Generator
    counts : list of int
        Length of the ragged dimension of every sample; without one, only its length matters.
    """
    offsets = np.concatenate([[0], np.cumsum(np.array(counts, np.int64))])
    columns = {}
    for name, field in schema.items():
        rows = int(offsets[-1]) if field.ragged else len(counts)
        columns[name] = (3 * rng.standard_normal((rows, *field.inner))).astype(field.dtype)
    return Batch(schema, columns, offsets if schema.ragged else None, size=len(counts))
