from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pal_core.data import Batch

from pal_ase.codec import (
    atoms_to_batch,
    atoms_to_sample,
    batch_to_atoms,
    label_of,
    lowest_multiplicity,
    sample_to_atoms,
)
from pal_ase.schema import FORCES, LABEL, SAMPLE, STRESS, label_schema

FLOATS = st.floats(-1e6, 1e6, allow_subnormal=False)


@st.composite
def samples(draw, stress=True):
    """A labelled sample with any numbers of the right shape."""
    n = draw(st.integers(0, 5))
    sample = {
        "numbers": draw(arrays(np.int32, n, elements=st.integers(1, 118))),
        "positions": draw(arrays(np.float64, (n, 3), elements=FLOATS)),
        "cell": draw(arrays(np.float64, (3, 3), elements=FLOATS)),
        "pbc": draw(arrays(np.bool_, 3)),
        "charge": np.array(draw(st.integers(-5, 5)), np.int32),
        "multiplicity": np.array(draw(st.integers(1, 9)), np.int32),
        "energy": np.array(draw(FLOATS)),
        "forces": draw(arrays(np.float64, (n, 3), elements=FLOATS)),
    }
    return sample | ({"stress": draw(arrays(np.float64, (3, 3), elements=FLOATS))} if stress else {})


def assert_equal_batches(found: Batch, wanted: Batch) -> None:
    assert found.schema == wanted.schema
    np.testing.assert_array_equal(found.offsets, wanted.offsets)
    for name, column in wanted.columns.items():
        np.testing.assert_array_equal(found.columns[name], column, err_msg=name)


@settings(max_examples=40, deadline=None)
@given(st.lists(samples(), max_size=4))
def test_batch_survives_the_way_through_atoms(many):
    schema = SAMPLE | label_schema(stress=True)
    batch = Batch.from_samples(schema, many)
    assert_equal_batches(atoms_to_batch(batch_to_atoms(batch), schema), batch)


@settings(max_examples=25, deadline=None)
@given(samples())
def test_sample_has_the_types_of_the_schema(sample):
    found = atoms_to_sample(sample_to_atoms(sample))
    assert list(found) == list(SAMPLE)
    for name, field in SAMPLE.items():
        assert found[name].dtype == field.dtype
        assert found[name].shape == np.shape(sample[name])


def test_atoms_and_samples_share_no_memory(ethanol):
    sample = atoms_to_sample(ethanol)
    ethanol.positions += 1
    assert not np.allclose(sample["positions"], ethanol.positions)
    again = sample_to_atoms(sample)
    again.positions += 1
    assert not np.allclose(sample["positions"], again.positions)


@pytest.mark.parametrize(
    ("symbols", "info", "wanted"),
    [
        ("OH2", {}, 1),
        ("OH", {}, 2),
        ("OH", {"charge": -1}, 1),
        ("O2", {"multiplicity": 3}, 3),
        ("O2", {"spin": 2}, 3),  # 2S
        ("O2", {"spin": 3}, 3),  # 2S + 1
        ("OH", {"spin": 1}, 2),
        ("OH", {"spin": 2}, 2),
        ("OH2", {"spin": 0}, 1),
        ("OH2", {"spin": 1}, 1),
    ],
)
def test_multiplicity_goes_with_the_number_of_electrons(symbols, info, wanted):
    atoms = Atoms(symbols, positions=np.arange(3.0 * len(Atoms(symbols))).reshape(-1, 3), info=info)
    assert atoms_to_sample(atoms)["multiplicity"] == wanted


def test_lowest_multiplicity_of_large_systems_does_not_overflow():
    assert lowest_multiplicity(np.full(50_000_001, 83, np.int32), 0) == 2


def test_reference_labels_win_over_calculator_results(ethanol):
    other = np.ones((9, 3))
    ethanol.calc = SinglePointCalculator(ethanol, energy=1.0, forces=other, stress=np.arange(6.0))
    np.testing.assert_array_equal(label_of(ethanol, FORCES), other)
    voigt = [[0, 5, 4], [5, 1, 3], [4, 3, 2]]
    np.testing.assert_array_equal(label_of(ethanol, STRESS), voigt)
    ethanol.arrays["REF_forces"] = 2 * other
    ethanol.info["REF_stress"] = np.arange(9.0)
    np.testing.assert_array_equal(label_of(ethanol, FORCES), 2 * other)
    np.testing.assert_array_equal(label_of(ethanol, STRESS), np.arange(9.0).reshape(3, 3))


def test_missing_label_is_named_with_its_structure(ethanol):
    labelled = ethanol.copy()
    labelled.info["REF_energy"] = 1.0
    labelled.arrays["REF_forces"] = np.zeros((9, 3))
    with pytest.raises(KeyError, match="structure 1: no REF_energy, and no calculator result 'energy'"):
        atoms_to_batch([labelled, ethanol], SAMPLE | LABEL)


def test_label_of_a_wrong_shape_is_named_with_its_structure(ethanol):
    ethanol.info |= {"REF_energy": np.arange(2.0)}
    ethanol.arrays["REF_forces"] = np.zeros((9, 3))
    with pytest.raises(ValueError, match="structure 0: cannot reshape"):
        atoms_to_batch([ethanol], SAMPLE | LABEL)
