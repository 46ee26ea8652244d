"""Samples as blobs."""

from __future__ import annotations

import numpy as np
import pytest
from batches import assert_same_samples, quick, sampled_batches
from hypothesis import given

from pal_core.data import Batch, Field, Schema
from pal_core.store.tables import pack, unpack

MIXED = Schema([Field("numbers", "int32", ("atoms",)), Field("charge", "int8"), Field("cell", shape=(3, 3))])


@quick
@given(sampled_batches())
def test_samples_come_back_bit_by_bit(made):
    batch, parts = made
    found = unpack(batch.schema, [pack(batch.schema, sample) for sample in parts])
    assert found.schema == batch.schema
    assert_same_samples(found, parts)


@quick
@given(sampled_batches())
def test_blob_holds_the_length_and_the_values_and_nothing_else(made):
    batch, parts = made
    for sample in parts:
        blob = pack(batch.schema, sample)
        lengths = [len(sample[n]) for n, f in batch.schema.items() if f.ragged]
        assert int.from_bytes(blob[:4], "little") == (lengths[0] if lengths else 0)
        assert blob[4:] == b"".join(np.ascontiguousarray(sample[n]).tobytes() for n in batch.schema)


def test_sample_without_atoms():
    sample = {"numbers": np.zeros(0, np.int32), "charge": np.int8(-1), "cell": np.eye(3)}
    found = unpack(MIXED, [pack(MIXED, sample)])
    assert found.offsets.tolist() == [0, 0]
    assert found[0]["charge"] == -1


def test_no_blobs_make_an_empty_batch():
    assert len(unpack(MIXED, [])) == 0
    assert len(unpack(Schema(), [])) == 0


def test_samples_of_an_empty_schema():
    assert len(unpack(Schema(), [pack(Schema(), {})] * 3)) == 3


def test_values_of_another_byte_order_and_layout_are_stored_alike():
    cell = np.arange(9.0).reshape(3, 3)
    sample = {"numbers": np.array([6, 1], np.int32), "charge": np.int8(0), "cell": cell}
    odd = {"numbers": np.array([6, 1], ">i4"), "charge": np.int8(0), "cell": np.asfortranarray(cell.astype(">f8"))}
    assert pack(MIXED, odd) == pack(MIXED, sample)


def test_column_of_a_batch_can_be_stored():
    columns = {"numbers": np.arange(5, dtype=np.int32), "charge": np.zeros(2, np.int8), "cell": np.zeros((2, 3, 3))}
    batch = Batch(MIXED, columns, [0, 2, 5])
    assert_same_samples(unpack(MIXED, [pack(MIXED, s) for s in batch]), list(batch))


@pytest.mark.parametrize("change", [b"", b"more"])
def test_blob_of_another_schema_is_refused(change):
    blob = pack(MIXED, {"numbers": np.zeros(2, np.int32), "charge": np.int8(0), "cell": np.eye(3)})
    blob = blob + change if change else blob[:-8]
    with pytest.raises(ValueError, match=r"bytes|buffer"):
        unpack(MIXED, [blob])
