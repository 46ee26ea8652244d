"""Stiffness of bonds, and what it tells of a label's forces."""

from __future__ import annotations

import numpy as np
import pytest
from ase.build import bulk, molecule
from rmd17_labels import labels

from pal_ase.bonds import COULOMB, stiffness
from pal_ase.check_options import PlausibleOptions
from pal_ase.checks import Plausible
from pal_ase.codec import atoms_to_sample

BOHR_PER_HARTREE = 1 / 51.422067


@pytest.fixture
def check(context):
    return lambda **options: Plausible(PlausibleOptions(**options), context(role="check")).check


def methane(rattle, spring=30.0):
    """Four springs [eV/Å²] and nothing else."""
    atoms = molecule("CH4")
    rest = np.linalg.norm(atoms.positions[1:] - atoms.positions[0], axis=1).mean()
    atoms.rattle(rattle, seed=1)
    bonds = atoms.positions[1:] - atoms.positions[0]
    lengths = np.linalg.norm(bonds, axis=1)
    pulls = -(spring * (lengths - rest) / lengths)[:, None] * bonds
    return atoms_to_sample(atoms), np.vstack([-pulls.sum(axis=0), pulls]), lengths.mean()


def test_springs_are_as_stiff_as_they_are_made():
    sample, forces, length = methane(0.05)
    found = stiffness(sample, forces)
    assert found.bonds == 4
    assert found.value == pytest.approx(30.0 * length**3 / COULOMB, rel=1e-10)
    assert found.error < 1e-10 * found.value


def test_bonds_of_ethanol_are_as_stiff_as_infrared_spectra_tell():
    """C-H: 4.7 to 5.0 mdyn/Å (textbooks; 1 mdyn/Å = 6.2415 eV/Å²) at 1.09 Å."""
    values = [found.value for sample, label in labels() if (found := stiffness(sample, label["forces"]))]
    assert len(values) >= 30
    assert 0.9 * 4.7 < np.median(values) * COULOMB / 1.09**3 / 6.2415 < 1.1 * 5.0


def test_nothing_is_said_of_bonds_at_rest_of_few_bonds_and_of_crystals():
    sample, forces, _ = methane(0.003)
    assert stiffness(sample, forces) is None
    for atoms in (molecule("H2O"), molecule("CO2"), bulk("Cu", cubic=True), bulk("Cu", cubic=True) * (3, 3, 3)):
        atoms.rattle(0.1, seed=2)
        assert stiffness(atoms_to_sample(atoms), np.ones((len(atoms), 3))) is None


def test_one_broken_bond_among_relaxed_ones_is_no_disturbance():
    atoms = molecule("CH4")
    bond = atoms.positions[1] - atoms.positions[0]
    atoms.positions[1] += 0.2 * bond / np.linalg.norm(bond)
    assert stiffness(atoms_to_sample(atoms), np.zeros((5, 3))) is None


def test_bonds_across_a_periodic_boundary_count():
    sample, forces, length = methane(0.05)
    wrapped = {**sample, "positions": sample["positions"] % 8.0, "cell": 8.0 * np.eye(3), "pbc": np.ones(3, bool)}
    assert stiffness(wrapped, forces).value == pytest.approx(30.0 * length**3 / COULOMB, rel=1e-10)


def test_good_forces_pass_and_most_wrong_signs_and_units_are_found_at_once(check):
    judge = check()
    found = {"sign": 0, "unit": 0}
    for sample, label in labels():
        assert judge(sample, label, None) is None
        for kind, factor in (("sign", -1.0), ("unit", BOHR_PER_HARTREE)):
            found[kind] += judge(sample, {**label, "forces": factor * label["forces"]}, None) is not None
    assert min(found.values()) >= 30, found


def test_reasons_tell_what_bonds_do(check):
    sample, forces, _ = methane(0.05)
    energy = {"energy": np.array(-10.0)}
    assert check()(sample, {**energy, "forces": forces}, None) is None
    inverted = {**energy, "forces": -forces}
    reason = check()(sample, inverted, None)
    assert reason.startswith("by these forces 4 bonds pull where they are compressed: stiffness of -2.5 ± ")
    assert reason.endswith("e²/4πε₀r³, 1 to 14 is usual; the gradient for the forces? (option bonds)")
    assert check(bonds=False)(sample, inverted, None) is None
    soft = check()(sample, {**energy, "forces": forces * BOHR_PER_HARTREE}, None)
    assert "4 bonds are far too soft: stiffness of 0.049 ± " in soft
    assert soft.endswith("another unit, as Hartree/bohr for eV/Å? (option bonds)")
