"""Forces against differences of energies."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
from ase.units import Hartree
from samples import build, moved

STEP = 2e-3  # Å
TIGHT = {"energy_convergence": 1e-11, "gradient_convergence": 1e-7}
AMINO = build([7, 1, 1], [[0, 0, 0], [0.1, 0.8, 0.6], [0, -0.8, 0.65]], 0, 2)


def energy(oracle, sample):
    """Without the forces, which cost more."""
    return float(oracle._reference(sample, io.StringIO()).e_tot) * Hartree


def derivative(function, sample, atom, axis):
    """Central difference of fourth order."""
    values = {k: function(moved(sample, atom, axis, k * STEP)) for k in (-2, -1, 1, 2)}
    return (8 * (values[1] - values[-1]) - (values[2] - values[-2])) / (12 * STEP)


@pytest.mark.parametrize(
    "options",
    [
        {"functional": "hf"},
        {"functional": "pbe0"},
        {"functional": "tpss", "density_fitting": "coulomb"},
        {"functional": "bmk", "density_fitting": "coulomb-exchange"},
        {"functional": "pbe", "dispersion": "d3bj"},
        {"functional": "pbe", "dispersion": "d4"},
        {"functional": "hf", "solvent": "water"},
        {"functional": "hf", "solvent": 10.0, "solvent_model": "ddcosmo"},
        {"functional": "hf", "solvent": "water", "solvent_model": "ief-pcm"},
    ],
    ids=str,
)
def test_forces_are_the_slope_of_the_energy(dft, water, options):
    oracle = dft(**options, **TIGHT, grid="coarse")
    slope = derivative(partial(energy, oracle), water, 1, 2)
    assert oracle.label(water)["forces"][1, 2] == pytest.approx(-slope, abs=3e-5)


@pytest.mark.parametrize("reference", ["unrestricted", "restricted-open"])
@pytest.mark.parametrize("functional", ["hf", "pbe0"])
def test_forces_of_radicals_are_the_slope_of_the_energy(dft, reference, functional):
    oracle = dft(reference=reference, functional=functional, **TIGHT, grid="coarse")
    slope = derivative(partial(energy, oracle), AMINO, 1, 2)
    assert oracle.label(AMINO)["forces"][1, 2] == pytest.approx(-slope, abs=3e-5)


def test_grid_response_makes_forces_exact_and_sums_vanish(dft, water):
    with_response, without = (
        dft(functional="pbe", grid="coarse", grid_response=on).label(water)["forces"] for on in (True, False)
    )
    assert np.abs(with_response.sum(axis=0)).max() < 1e-6
    assert np.abs(without.sum(axis=0)).max() > 1e-4


@pytest.mark.parametrize(
    ("options", "tolerance"),
    [
        ({"functional": "hf"}, 5e-5),
        ({"functional": "hf", "response": "tda"}, 5e-5),
        ({"functional": "hf", "spin": "triplet", "response": "tda"}, 5e-5),
        ({"functional": "hf", "solvent": "water", "solvent_model": "ddcosmo"}, 2e-4),
        ({"functional": "pbe", "dispersion": "d3bj"}, 1e-3),
        ({"functional": "pbe0", "response": "tda"}, 1e-3),
        ({"functional": "b3lyp-vwn5"}, 1e-3),
    ],
    ids=str,
)
def test_forces_of_the_first_excited_state_are_the_slope_of_its_energy(tddft, formaldehyde, options, tolerance):
    tight = {**options, **TIGHT, "response_convergence": 1e-8, "states": 1, "margin": 1}
    energies = tddft(**tight, gradients=[])
    slope = derivative(lambda s: float(energies.label(s)["state_energies"][1]), formaldehyde, 0, 2)
    found = tddft(**tight, gradients=[1]).label(formaldehyde)
    # Hartree-Fock has no grid; with functionals, the response of the grid is missing in PySCF's gradients.
    assert found["state_forces"][0, 1, 2] == pytest.approx(-slope, abs=tolerance)


@pytest.mark.parametrize(("functional", "tolerance"), [("hf", 5e-5), ("pbe0", 1e-3)])
def test_forces_of_an_excited_radical_are_the_slope_of_its_energy(tddft, functional, tolerance):
    tight = {"functional": functional, "grid": "coarse", **TIGHT, "response_convergence": 1e-8, "states": 1}
    energies = tddft(**tight, gradients=[])
    slope = derivative(lambda s: float(energies.label(s)["state_energies"][1]), AMINO, 1, 2)
    assert tddft(**tight, gradients=[1]).label(AMINO)["state_forces"][1, 1, 2] == pytest.approx(-slope, abs=tolerance)
