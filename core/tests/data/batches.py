"""Hypothesis strategies of schemas and samples, and the comparison of samples bit by bit."""

from __future__ import annotations

import numpy as np
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pal_core.data import Batch, Field, Schema

# No deadline: the machine may be busy with other things.
quick = settings(deadline=None, max_examples=60)

DTYPES = ("float64", "float32", "int32", "int64", "uint8", "bool")
SHAPES = ((), (3,), (2, 2), (0,), ("atoms",), ("atoms", 3), ("atoms", 2, 2))


@st.composite
def schemas(draw, max_fields=4):
    number = draw(st.integers(0, max_fields))
    return Schema(
        Field(f"field{i}", draw(st.sampled_from(DTYPES)), draw(st.sampled_from(SHAPES))) for i in range(number)
    )


@st.composite
def samples(draw, schema):
    """One sample; values include NaN, infinities, and zero atoms."""
    atoms = draw(st.integers(0, 4))
    return {
        name: draw(hnp.arrays(field.dtype, (atoms, *field.inner) if field.ragged else field.inner))
        for name, field in schema.items()
    }


@st.composite
def sampled_batches(draw, max_size=5):
    """A batch and the list of samples that it was made from."""
    schema = draw(schemas())
    parts = draw(st.lists(samples(schema), max_size=max_size))
    return Batch.from_samples(schema, parts), parts


def assert_same_samples(batch, wanted):
    assert len(batch) == len(wanted)
    for found, sample in zip(batch, wanted, strict=True):
        assert list(found) == list(batch.schema)
        for name, value in found.items():
            assert isinstance(value, np.ndarray)
            assert value.dtype == np.dtype(batch.schema[name].dtype)
            np.testing.assert_array_equal(value, sample[name], strict=True)
