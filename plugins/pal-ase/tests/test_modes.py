"""Normal modes against ASE's own and against formulas of oscillators; second derivatives against springs."""

from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from ase.constraints import FixAtoms, FixBondLength
from ase.md.velocitydistribution import phonon_harmonics
from ase.optimize import BFGS
from ase.vibrations import Vibrations
from ase_engine import FreshEMT, Springs
from pal_core.errors import PalError

from pal_ase.hessians import finite_differences
from pal_ase.modes import NormalModes

KT = units.kB * 300


def emt_forces(atoms):
    moved = atoms.copy()
    moved.calc = FreshEMT()
    return moved.get_forces()


@pytest.fixture(scope="module")
def methanol():
    atoms = molecule("CH3OH")
    atoms.rattle(0.1, seed=2)  # away from a saddle point of this rough potential
    atoms.calc = EMT()
    BFGS(atoms, logfile=None).run(fmax=1e-4, steps=300)
    return atoms, finite_differences(emt_forces, atoms)


def test_second_derivatives_of_springs():
    atoms = molecule("CH4")
    places = atoms.positions + 0.1

    def forces(moved):
        moved.calc = Springs(places)
        return moved.get_forces()

    np.testing.assert_allclose(finite_differences(forces, atoms), 5.0 * np.eye(15), atol=1e-9)


def test_frequencies_are_those_of_ases_vibrations(methanol, tmp_path):
    atoms, hessian = methanol
    vibrations = Vibrations(atoms, name=str(tmp_path / "vib"), delta=0.005)
    vibrations.run()
    wanted = np.sort(vibrations.get_energies().real)[-12:]
    found = NormalModes(atoms, hessian, 50).energies
    assert len(found) == 12
    np.testing.assert_allclose(found, wanted, rtol=2e-3)
    assert found[-1] > 0.1


def diatomic(stiffness):
    """Nitrogen on a spring: its only mode has the frequency of stiffness and reduced mass."""
    atoms = Atoms("N2", [[0, 0, 0], [0.3, 0.4, 1.0]])
    axis = np.array([-0.3, -0.4, -1.0, 0.3, 0.4, 1.0]) / np.linalg.norm([0.3, 0.4, 1.0])
    return atoms, stiffness * np.outer(axis, axis), axis


def test_linear_molecule_has_one_mode_more():
    atoms, hessian, _ = diatomic(100.0)
    (energy,) = NormalModes(atoms, hessian, 50).energies
    seconds = np.sqrt(100.0 * units._e * 1e20 / (atoms.get_masses()[0] / 2 * units._amu))
    assert energy == pytest.approx(units._hbar * seconds / units._e, rel=1e-12)


def test_molecule_that_is_linear_to_within_noise_bends_both_ways():
    atoms = molecule("CO2")
    atoms.positions[0, 0] += 1e-4
    assert len(NormalModes(atoms, np.eye(9), 50).energies) == 4


@pytest.mark.parametrize("quantum", [False, True])
@pytest.mark.parametrize("temperature", [100.0, 2000.0])
def test_bond_length_varies_as_that_of_an_oscillator(quantum, temperature):
    """Variance kT / k, and ħ / 2 μ ω coth(ħω / 2kT), computed here in SI units."""
    atoms, hessian, axis = diatomic(140.0)
    modes, rng = NormalModes(atoms, hessian, 50), np.random.default_rng(3)
    drawn = [modes.draw(temperature, quantum, rng).ravel() @ axis for _ in range(4000)]
    stiffness, mass = 140.0 * units._e * 1e20, atoms.get_masses()[0] / 2 * units._amu
    frequency, thermal = np.sqrt(stiffness / mass), units._k * temperature
    classical = thermal / stiffness
    zero_point = units._hbar / (2 * mass * frequency) / np.tanh(units._hbar * frequency / (2 * thermal))
    assert np.var(drawn) == pytest.approx((zero_point if quantum else classical) * 1e20, rel=0.08)


@pytest.mark.parametrize("quantum", [False, True])
def test_displacements_of_a_crystal_are_distributed_as_ases(quantum):
    atoms = bulk("Cu", cubic=True)
    hessian = finite_differences(emt_forces, atoms)
    modes, rng = NormalModes(atoms, hessian, 1.0), np.random.default_rng(1)
    assert len(modes.energies) == 9
    temperature = 60.0 if quantum else 300.0
    ours = np.array([modes.draw(temperature, quantum, rng) for _ in range(1500)])
    uniform = np.random.default_rng(2).random
    theirs = np.array(
        [
            phonon_harmonics(hessian, atoms.get_masses(), temperature_K=temperature, rng=uniform, quantum=quantum)[0]
            for _ in range(1500)
        ]
    )
    assert (ours**2).mean() == pytest.approx((theirs**2).mean(), rel=0.05)
    np.testing.assert_allclose(ours.mean(axis=1), 0, atol=1e-9)


def test_energies_of_displaced_molecules_hold_half_kt_per_mode(methanol):
    atoms, hessian = methanol
    modes, rng = NormalModes(atoms, hessian, 20), np.random.default_rng(5)
    stiff = modes.energies > 30 * units.invcm
    drawn = np.array([modes.draw(50, False, rng).ravel() for _ in range(3000)])
    energies = 0.5 * np.einsum("ni,ij,nj->n", drawn, hessian, drawn)
    assert stiff.sum() >= 11
    assert energies.mean() / (units.kB * 50 / 2) == pytest.approx(12, abs=0.6)


def test_displacements_neither_shift_nor_turn_the_molecule(methanol):
    atoms, hessian = methanol
    moved = NormalModes(atoms, hessian, 100).draw(300, False, np.random.default_rng(0))
    momenta = moved * atoms.get_masses()[:, None]
    arm = atoms.positions - atoms.get_center_of_mass()
    np.testing.assert_allclose(momenta.sum(axis=0), 0, atol=1e-10)
    np.testing.assert_allclose(np.cross(arm, momenta).sum(axis=0), 0, atol=1e-10)
    assert np.abs(moved).max() > 0.02


def test_soft_and_unstable_modes_are_displaced_as_if_they_were_stiffer():
    atoms, hessian, _ = diatomic(-50.0)
    modes = NormalModes(atoms, hessian, 400)
    assert modes.energies[0] < 0
    (variance,) = modes.variances(300, False)
    curvature = (400 * units.invcm) ** 2 * units._e * units._amu / (units._hbar * 1e10) ** 2
    assert variance == pytest.approx(KT / curvature)


def test_fixed_atoms_stay():
    atoms = molecule("CH3OH")
    hessian = finite_differences(emt_forces, atoms)
    atoms.set_constraint(FixAtoms([0, 2]))
    modes = NormalModes(atoms, hessian, 100)
    assert len(modes.energies) == 12
    moved = modes.draw(300, False, np.random.default_rng(0))
    assert not moved[[0, 2]].any()
    assert np.abs(moved[[1, 3, 4, 5]]).min() > 0


def test_other_constraints_are_refused():
    atoms = molecule("CH4")
    atoms.set_constraint(FixBondLength(0, 1))
    with pytest.raises(PalError, match=r"allow for the constraint FixAtoms only, found FixBondLengths?"):
        NormalModes(atoms, np.eye(15), 50)


class Failing(Calculator):
    """Gives no forces."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=None, system_changes=None):
        raise ArithmeticError("the planted mistake")
