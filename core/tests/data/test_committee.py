"""Committee statistics against NumPy on one sample after the other."""

from __future__ import annotations

import warnings
from itertools import accumulate

import numpy as np
import pytest
from batches import quick
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from pal_core.data import Batch, Committee, Field, Schema, SchemaError
from pal_core.data.committee import reduce_samples

SCHEMA = Schema(
    [
        Field("energy", "float64", (), "eV"),
        Field("forces", "float32", ("atoms", 3), "eV/Å"),
        Field("dipole", "float64", (3,)),
        Field("count", "int32", ("atoms",)),
        Field("nothing", "float64", (0,)),
    ]
)
NUMBERS = st.floats(-1e3, 1e3, width=32)
REDUCTIONS = {
    "max": np.max,
    "mean": np.mean,
    "rms": lambda values: np.sqrt(np.mean(values**2)),
}


@st.composite
def committees(draw, schema=SCHEMA, elements=NUMBERS):
    """A committee of one to four members, with samples of zero to three atoms."""
    counts = draw(st.lists(st.integers(0, 3), max_size=5))
    offsets = [0, *accumulate(counts)]

    def column(field):
        shape = (offsets[-1] if field.ragged else len(counts), *field.inner)
        integers = st.integers(-1000, 1000)
        return draw(hnp.arrays(field.dtype, shape, elements=integers if field.dtype == "int32" else elements))

    members = draw(st.integers(1, 4))
    batches = [Batch(schema, {n: column(f) for n, f in schema.items()}, offsets) for _ in range(members)]
    return Committee(batches, version=3)


def stacked(committee, i, name):
    return np.stack([member[i][name] for member in committee.members]).astype(np.float64)


@quick
@given(committees())
def test_mean_and_deviation_are_those_of_every_sample(committee):
    for i in range(len(committee)):
        for name in SCHEMA:
            values = stacked(committee, i, name)
            scale = np.abs(values).max(initial=1e-300)
            np.testing.assert_allclose(committee.mean[i][name], values.mean(axis=0), rtol=1e-12, atol=1e-13 * scale)
            if len(values) > 1:
                wanted = values.std(axis=0, ddof=1)
                np.testing.assert_allclose(committee.std[i][name], wanted, rtol=1e-9, atol=1e-13 * scale)


@quick
@given(committees(), st.sampled_from(sorted(REDUCTIONS)), st.sampled_from(sorted(SCHEMA)))
def test_uncertainty_is_the_reduction_of_every_sample(committee, how, name):
    found = committee.uncertainty(name, how)
    assert found.shape == (len(committee),)
    assert found.dtype == np.float64
    for i, value in enumerate(found):
        deviation = committee.std[i][name]
        wanted = REDUCTIONS[how](deviation) if deviation.size else 0.0
        np.testing.assert_allclose(value, wanted, rtol=1e-12)


@quick
@given(committees(elements=st.sampled_from([0.0, 1.0, np.nan, np.inf, -np.inf])))
def test_what_is_not_finite_in_one_member_is_not_finite_in_the_statistics(committee):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mean, std = committee.mean, committee.std
    for name in SCHEMA:
        finite = np.all([np.isfinite(m.columns[name]) for m in committee.members], axis=0)
        np.testing.assert_array_equal(np.isfinite(mean.columns[name]), finite)
        np.testing.assert_array_equal(np.isfinite(std.columns[name]), finite & (len(committee.members) > 1))


@quick
@given(committees(), st.sampled_from(sorted(REDUCTIONS)))
def test_one_nan_spoils_its_sample_only(committee, how):
    assume(len(committee.members) > 1)
    clean = committee.uncertainty("forces", how)
    last = committee.members[-1]
    filled = np.flatnonzero(np.diff(last.offsets))
    assume(filled.size)
    columns = {**last.columns, "forces": last.columns["forces"].copy()}
    columns["forces"][last.offsets[filled[0]], 1] = np.nan
    spoiled = Committee([*committee.members[:-1], Batch(SCHEMA, columns, last.offsets)]).uncertainty("forces", how)
    wanted = clean.copy()
    wanted[filled[0]] = np.nan
    np.testing.assert_array_equal(spoiled, wanted)


def pair(first, second):
    schema = Schema([Field("e", "float64", ())])
    return Committee([Batch(schema, {"e": first}), Batch(schema, {"e": second})])


def test_deviation_of_two_members_is_their_distance_over_the_root_of_two():
    committee = pair([1.0, 5.0], [3.0, 5.0])
    np.testing.assert_allclose(committee.mean.columns["e"], [2, 5])
    np.testing.assert_allclose(committee.std.columns["e"], [np.sqrt(2), 0])


@pytest.mark.parametrize("n", [8191, 8192, 8193, 20_000])
def test_large_batches_are_treated_like_small_ones(n):
    values = np.random.default_rng(0).standard_normal((3, n, 2)).astype(np.float32)
    schema = Schema([Field("f", "float32", (2,))])
    committee = Committee([Batch(schema, {"f": v}) for v in values])
    np.testing.assert_allclose(committee.mean.columns["f"], values.astype(float).mean(axis=0), rtol=1e-12, atol=1e-15)
    np.testing.assert_allclose(committee.std.columns["f"], values.astype(float).std(axis=0, ddof=1), rtol=1e-12)


def test_small_differences_of_large_numbers_are_kept():
    np.testing.assert_allclose(pair([1e9], [1e9 + 1e-3]).std.columns["e"], [1e-3 / np.sqrt(2)], rtol=1e-4)


def test_committee_of_one_knows_no_deviation():
    schema = Schema([Field("f", "float64", ("atoms", 3))])
    committee = Committee([Batch(schema, {"f": np.ones((2, 3))}, [0, 2, 2])])
    assert np.isnan(committee.std.columns["f"]).all()
    np.testing.assert_array_equal(committee.uncertainty("f"), [np.nan, 0.0])
    np.testing.assert_array_equal(committee.mean.columns["f"], 1.0)


def test_statistics_are_float64_with_the_fields_units():
    committee = Committee([Batch.empty(SCHEMA)] * 2)
    for statistic in (committee.mean, committee.std):
        assert {f.dtype for f in statistic.schema.values()} == {"float64"}
        assert [f.unit for f in statistic.schema.values()] == [f.unit for f in SCHEMA.values()]
    assert len(committee) == 0
    assert committee.uncertainty("forces").shape == (0,)


def test_statistics_are_no_views_of_the_members():
    member = Batch(Schema([Field("e")]), {"e": np.array([1.0, 2.0])})
    committee = Committee([member])
    committee.mean.columns["e"][:] = 7
    assert member.columns["e"].tolist() == [1, 2]


def test_members_of_other_samples_are_named():
    schema = Schema([Field("f", "float64", ("atoms",))])
    one = Batch(schema, {"f": np.zeros(3)}, [0, 1, 3])
    for other in (
        Batch(schema, {"f": np.zeros(3)}, [0, 2, 3]),
        Batch(schema, {"f": np.zeros(3)}, [0, 3]),
        Batch(Schema([Field("g", "float64", ("atoms",))]), {"g": np.zeros(3)}, [0, 1, 3]),
    ):
        with pytest.raises(SchemaError, match=r"^member 2 answers <Batch of .*>, member 0 <Batch of 2: f float64"):
            Committee([one, one, other])
    with pytest.raises(SchemaError, match="a committee has one member at least"):
        Committee([])


def test_unknown_reduction_is_refused():
    batch = Batch(Schema([Field("e")]), {"e": [1.0]})
    with pytest.raises(ValueError, match="samples are reduced by max, mean, rms, not by 'median'"):
        reduce_samples(batch, "e", "median")


@quick
@given(committees())
def test_covariance_is_that_of_every_sample(committee):
    found = committee.covariances([("energy", "forces"), ("energy", "dipole"), ("energy", "energy")])
    for i in range(len(committee)):
        energies = stacked(committee, i, "energy")
        for column, name in zip(found.schema, ("forces", "dipole", "energy"), strict=True):
            values = stacked(committee, i, name).reshape(len(energies), -1)
            here = found[i][column]
            if len(energies) == 1:
                assert np.isnan(here).all()
                continue
            wanted = [np.cov(energies, component)[0, 1] for component in values.T]
            scale = 1e-9 * max(np.abs(energies).max() * np.abs(values).max(initial=0.0), 1e-300)
            np.testing.assert_allclose(here.ravel(), wanted, rtol=1e-9, atol=scale)


def test_covariance_has_the_shape_of_the_second_field_and_both_units():
    schema = Schema([Field("e", "float32", (), "eV"), Field("f", "float32", ("atoms", 3), "eV/Å")])
    batch = Batch(schema, {"e": np.ones(2), "f": np.ones((3, 3))}, [0, 1, 3])
    (field,) = Committee([batch, batch]).covariances([("e", "f")]).schema.values()
    assert str(field) == "covariance of e and f float64(atoms, 3) [eV·eV/Å]"
