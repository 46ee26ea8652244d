from __future__ import annotations

import numpy as np

from pal_ase.learning.references import (
    charge_energies,
    charge_states,
    composition,
    fit_references,
    reference_energies,
)


def dataset(*formulas):
    """Atomic numbers and offsets of samples given as lists of atomic numbers."""
    return np.concatenate(formulas), np.concatenate([[0], np.cumsum([len(f) for f in formulas])])


WATER, METHANE, METHANOL, ARGON = [8, 1, 1], [6, 1, 1, 1, 1], [6, 8, 1, 1, 1, 1], [18]


def test_known_element_energies_are_found():
    numbers, offsets = dataset(WATER, METHANE, METHANOL, ARGON, WATER)
    truth = np.zeros(119)
    truth[[1, 6, 8, 18]] = -13.6, -1030.5, -2041.8, -14000.0
    energies = reference_energies(truth, numbers, offsets)
    assert energies[0] == truth[8] + 2 * truth[1]
    np.testing.assert_allclose(fit_references(composition(numbers, offsets), energies, np.ones(5)), truth, atol=1e-7)


def test_a_single_composition_is_reproduced_in_total():
    numbers, offsets = dataset(*[METHANOL] * 6)
    energies = -3149.1 + np.array([-0.3, 0.3, -0.1, 0.1, -0.2, 0.2])
    references = fit_references(composition(numbers, offsets), energies, np.ones(6))
    np.testing.assert_allclose(reference_energies(references, numbers, offsets), -3149.1, rtol=1e-14)
    assert set(np.flatnonzero(references)) == {1, 6, 8}


def test_residuals_are_weighted():
    numbers, offsets = dataset(ARGON, ARGON)
    references = fit_references(composition(numbers, offsets), np.array([0.0, 4.0]), np.array([3.0, 1.0]))
    np.testing.assert_allclose(references[18], 1.0)


def test_samples_without_atoms_have_no_energy():
    numbers, offsets = dataset(WATER, [], ARGON)
    references = np.arange(119.0)
    assert reference_energies(references, numbers.astype(int), offsets).tolist() == [10.0, 0.0, 18.0]


def test_charges_have_energies_beside_those_of_elements():
    numbers, offsets = np.array([1, 1, 8, 1, 8, 1, 1, 8, 8]), np.array([0, 2, 3, 5, 7, 9])
    charge, largest = np.array([0, 0, 1, -2, 1]), 2
    counts = np.hstack([composition(numbers, offsets), charge_states(charge, largest)])
    energies = np.array([-26.0, -2040.0, -2053.0 + 15.0, -26.0 - 4.0, -4080.0 + 15.0])
    found = fit_references(counts, energies, np.ones(5))
    np.testing.assert_allclose(found[[1, 8]], [-13.0, -2040.0], atol=1e-7)
    np.testing.assert_allclose(found[119:], [-4.0, 0.0, 0.0, 15.0, 0.0], atol=1e-7)
    np.testing.assert_allclose(charge_energies(found[119:], np.array([1, 0, -2, 7])), [15.0, 0.0, -4.0, 0.0], atol=1e-7)
