"""Batches do to all samples at once what naive loops do to one after the other."""

from __future__ import annotations

from itertools import accumulate

import numpy as np
import pytest
from batches import assert_same_samples, quick, sampled_batches, samples, schemas
from hypothesis import given
from hypothesis import strategies as st

from pal_core.data import Batch, Field, Schema, SchemaError

MOLECULES = Schema(
    [Field("numbers", "int32", ("atoms",)), Field("positions", "float64", ("atoms", 3), "Å"), Field("charge", "int32")]
)


def molecules(*counts):
    rng = np.random.default_rng(0)
    parts = [
        {"numbers": np.arange(n), "positions": rng.standard_normal((n, 3)), "charge": i} for i, n in enumerate(counts)
    ]
    return Batch.from_samples(MOLECULES, parts)


@quick
@given(sampled_batches())
def test_samples_come_back_as_they_were_given(made):
    batch, parts = made
    assert_same_samples(batch, parts)
    assert_same_samples(Batch(batch.schema, batch.columns, batch.offsets, size=len(batch)), parts)


@quick
@given(sampled_batches())
def test_columns_are_contiguous_and_native(made):
    for column in made[0].columns.values():
        assert column.flags.c_contiguous
        assert column.dtype.isnative


@quick
@given(sampled_batches(), st.data())
def test_take_is_indexing_a_list(made, data):
    batch, parts = made
    n = len(parts)
    indices = data.draw(st.lists(st.integers(-n, n - 1), max_size=8) if n else st.just([]))
    assert_same_samples(batch.take(indices), [parts[i] for i in indices])


@quick
@given(sampled_batches(), st.data())
def test_take_by_mask_is_filtering_a_list(made, data):
    batch, parts = made
    mask = data.draw(st.lists(st.booleans(), min_size=len(parts), max_size=len(parts)))
    assert_same_samples(batch.take(np.array(mask, bool)), [p for p, kept in zip(parts, mask, strict=True) if kept])


@quick
@given(sampled_batches(), st.data())
def test_slice_is_slicing_a_list(made, data):
    batch, parts = made
    start = data.draw(st.integers(0, len(parts)))
    stop = data.draw(st.integers(start, len(parts)))
    assert_same_samples(batch.slice(start, stop), parts[start:stop])


@quick
@given(sampled_batches(), st.data())
def test_split_and_concat_undo_each_other(made, data):
    batch, parts = made
    edges = sorted(data.draw(st.lists(st.integers(0, len(parts)), max_size=4)))
    sizes = [b - a for a, b in zip([0, *edges], [*edges, len(parts)], strict=True)]
    pieces = batch.split(sizes)
    for piece, stop in zip(pieces, accumulate(sizes), strict=True):
        assert_same_samples(piece, parts[stop - len(piece) : stop])
    assert_same_samples(Batch.concat(pieces), parts)


@quick
@given(schemas(), st.data())
def test_concat_is_adding_lists(schema, data):
    lists = data.draw(st.lists(st.lists(samples(schema), max_size=3), min_size=1, max_size=3))
    joined = Batch.concat([Batch.from_samples(schema, part) for part in lists])
    assert_same_samples(joined, [sample for part in lists for sample in part])


@quick
@given(sampled_batches(), st.data())
def test_picked_columns_join_to_the_whole(made, data):
    batch, parts = made
    names = list(batch.schema)
    left = data.draw(st.lists(st.sampled_from(names), unique=True) if names else st.just([]))
    right = [name for name in names if name not in left]
    assert_same_samples(batch.pick(left), [{n: p[n] for n in left} for p in parts])
    joined = batch.pick(left).join(batch.pick(right))
    assert list(joined.schema) == left + right
    assert_same_samples(joined, parts)


@quick
@given(sampled_batches(), st.sampled_from(["fortran", "big endian", "strided", "reversed"]))
def test_memory_layout_of_the_input_does_not_matter(made, layout):
    batch, parts = made

    def laid_out(a):
        if layout == "fortran":
            return np.array(a, order="F")
        if layout == "big endian":
            return a.astype(a.dtype.newbyteorder(">"))
        if layout == "strided":
            return np.repeat(a, 2, axis=0)[::2] if a.ndim else a
        return a[::-1].copy()[::-1] if a.ndim else a

    columns = {name: laid_out(column) for name, column in batch.columns.items()}
    again = Batch(batch.schema, columns, batch.offsets, size=len(batch))
    assert_same_samples(again, parts)
    assert all(c.flags.c_contiguous and c.dtype.isnative for c in again.columns.values())
    assert_same_samples(
        Batch.from_samples(batch.schema, [{n: laid_out(v) for n, v in part.items()} for part in parts]), parts
    )


@quick
@given(schemas())
def test_empty_batch_has_every_column(schema):
    empty = Batch.empty(schema)
    assert len(empty) == 0
    assert {n: c.shape for n, c in empty.columns.items()} == {n: (0, *f.inner) for n, f in schema.items()}
    assert list(empty) == []
    for other in (Batch.concat([], schema), Batch.from_samples(schema, []), empty.take([]), Batch.concat([empty] * 2)):
        assert other.schema == schema
        assert len(other) == 0


def test_batch_without_fields_still_counts_its_samples():
    batch = Batch(Schema(), {}, size=5)
    assert [len(part) for part in batch.split([2, 3])] == [2, 3]
    assert len(batch.take([0, 0, 4])) == 3
    assert len(Batch.concat([batch, batch])) == 10


def test_nothing_is_copied_that_already_fits():
    batch = molecules(2, 0, 3)
    again = Batch(MOLECULES, batch.columns, batch.offsets)
    for name, column in batch.columns.items():
        assert again.columns[name] is column
        assert np.shares_memory(batch.slice(0, 1).columns[name], column)
        assert np.shares_memory(batch[2][name], column)
        assert batch.pick([name]).columns[name] is column
    assert Batch.concat([batch]) is batch
    joined = batch.join(Batch(PLANE, POINT))
    assert joined.columns["charge"] is batch.columns["charge"]
    assert joined.columns["x"] is POINT["x"]


def test_common_column_is_taken_from_the_left():
    energy = Schema([Field("energy")])
    joined = Batch(energy, {"energy": [1.0]}).join(Batch(energy, {"energy": [2.0]}))
    assert joined.columns["energy"].tolist() == [1.0]


def test_read_only_columns_are_taken_as_they_are():
    received = np.frombuffer(np.arange(3.0).tobytes())
    batch = Batch(Schema([Field("x")]), {"x": received})
    assert batch.columns["x"] is received
    assert batch.take([2, 0]).columns["x"].tolist() == [2, 0]


def test_samples_are_arrays_even_of_single_numbers():
    value = molecules(1, 2)[1]["charge"]
    assert isinstance(value, np.ndarray)
    assert value.shape == ()
    assert molecules(1, 2)[-1]["charge"] == 1


def test_nbytes_and_repr():
    batch = molecules(2, 1)
    assert batch.nbytes == 3 * 4 + 9 * 8 + 2 * 4
    assert repr(batch) == "<Batch of 2: numbers int32(atoms), positions float64(atoms, 3) [Å], charge int32()>"


@pytest.mark.parametrize(
    ("found", "dtype", "stored"),
    [
        ([1, 2], "float64", [1.0, 2.0]),
        (np.array([1.5], np.float64), "float32", [1.5]),
        ([True, False], "int32", [1, 0]),
        (np.array([-128, 127], np.int64), "int8", [-128, 127]),
        ([], "int32", []),
    ],
)
def test_numbers_are_converted_without_loss(found, dtype, stored):
    column = Batch(Schema([Field("x", dtype)]), {"x": found}).columns["x"]
    assert column.dtype == dtype
    assert column.tolist() == stored


@pytest.mark.parametrize(
    ("found", "dtype"),
    [
        ([0.5], "int32"),
        ([1], "bool"),
        ([1 + 1j], "float64"),
        (["1"], "float64"),
        ([None], "float64"),
        ([300], "int8"),
        ([-1], "uint8"),
        (np.array([2**64 - 1], np.uint64), "int64"),
    ],
)
def test_lossy_conversion_is_refused(found, dtype):
    kind = np.asarray(found).dtype
    with pytest.raises(SchemaError, match=f"^field 'x': {kind} can't become {dtype} without loss$"):
        Batch(Schema([Field("x", dtype)]), {"x": found})


POINT = {"x": np.zeros((3, 2))}
PLANE = Schema([Field("x", "float64", (2,))])


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: Batch(PLANE, {"y": [1]}), r"columns \['y'\] given, \['x'\] wanted"),
        (lambda: Batch(PLANE, POINT, [0, 3]), r"offsets are not wanted for Schema\(x float64\(2\)\)"),
        (lambda: Batch(MOLECULES, molecules(1).columns), r"offsets are missing for Schema\(numbers int32\(atoms\)"),
        (lambda: Batch(PLANE, POINT, size=2), "2 samples announced, 3 found"),
        (lambda: Batch(PLANE, {"x": np.zeros((3, 1))}), r"column 'x' has shape \(3, 1\), \(3, 2\) wanted"),
        (lambda: Batch(PLANE, {"x": 1.0}, size=1), r"column 'x' has shape \(\), \(1, 2\) wanted"),
        (lambda: Batch(MOLECULES, molecules(1).columns, [0, 2]), r"'numbers' has shape \(1,\), \(2,\) wanted"),
        (lambda: Batch(MOLECULES, molecules(1).columns, [1, 2]), "offsets must start at 0 and never fall"),
        (lambda: Batch(MOLECULES, molecules(1).columns, [0, 2, 1]), "offsets must start at 0 and never fall"),
        (
            lambda: Batch(MOLECULES, molecules(1).columns, [0.0, 1.0]),
            "must be integers, .*found float64",
        ),
        (lambda: Batch(MOLECULES, molecules(1).columns, np.zeros(0, int)), r"one more than samples; found .* \(0,\)"),
        (lambda: Batch.from_samples(PLANE, [{"x": [0, 0]}, {"z": 1}]), r"sample 1 has no field 'x' \(it has: z\)"),
        (lambda: Batch.from_samples(PLANE, [{"x": [0]}]), r"sample 0: 'x' has shape \(1,\), \(2,\) wanted"),
        (
            lambda: Batch.from_samples(MOLECULES, [{"numbers": [1, 2], "positions": np.zeros((1, 3)), "charge": 0}]),
            "sample 0: 'positions' has 1 atoms, other fields 2",
        ),
        (
            lambda: Batch.from_samples(MOLECULES, [{"numbers": 1, "positions": np.zeros((1, 3)), "charge": 0}]),
            r"sample 0: 'numbers' has shape \(\), \('atoms',\) wanted",
        ),
        (lambda: Batch.concat([]), "nothing to join and no schema given"),
        (lambda: Batch.concat([molecules(1), Batch(PLANE, POINT)]), "batches of different schemas can't be joined"),
        (lambda: molecules(1, 1).split([1]), "sizes add up to 1, not to 2"),
        (lambda: molecules(1, 2).pick(["mass"]), r"no field 'mass' \(there are: numbers, positions, charge\)"),
        (lambda: molecules(1, 2).join(molecules(2, 1)), "batches of other samples can't be joined column-wise"),
        (lambda: molecules(1, 2).join(Batch(PLANE, POINT)), "batches of other samples can't be joined column-wise"),
        (
            lambda: Batch(PLANE, POINT).join(Batch(Schema([Field("x", "int32")]), {"x": [1, 2, 3]})),
            r"two meanings of one field: x float64\(2\) and x int32\(\)",
        ),
    ],
)
def test_data_that_do_not_fit_are_named(build, complaint):
    with pytest.raises(SchemaError, match=complaint):
        build()


@pytest.mark.parametrize(
    ("build", "complaint"),
    [
        (lambda: molecules(1, 1)[2], "sample 2 of 2"),
        (lambda: molecules(1, 1)[-3], "sample -3 of 2"),
        (lambda: molecules()[0], "sample 0 of 0"),
        (lambda: molecules(1, 1).slice(1, 3), "samples 1:3 of 2"),
        (lambda: molecules(1, 1).slice(2, 1), "samples 2:1 of 2"),
        (lambda: molecules(1, 1).take([2]), "out of bounds"),
        (lambda: molecules(1, 1).take([True]), r"a mask of shape \(1,\) for 2 samples"),
        (lambda: molecules(1, 1).take([0.5]), r"by a list of integers, found float64 of shape \(1,\)"),
        (lambda: molecules(1, 1).take(1), r"by a list of integers, found int64 of shape \(\)"),
        (lambda: molecules(1, 1).split([3, -1]), "samples 0:3 of 2"),
    ],
)
def test_samples_that_are_not_there_are_named(build, complaint):
    with pytest.raises(IndexError, match=complaint):
        build()
