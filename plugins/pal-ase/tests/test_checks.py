from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest
from ase.build import molecule
from ase.calculators.emt import EMT
from pal_core.testing import LabelCheckContract

from pal_ase.checks import Consistent, Plausible
from pal_ase.codec import atoms_to_sample
from pal_ase.label_options import ConsistentOptions, PlausibleOptions


def _labelled(rattle=0.05, seed=0):
    atoms = molecule("CH3CH2OH")
    atoms.rattle(rattle, seed=seed)
    atoms.calc = EMT()
    label = {"energy": np.array(atoms.get_potential_energy()), "forces": atoms.get_forces()}
    return atoms_to_sample(atoms), label


def _changed(label, atom, force):
    forces = label["forces"].copy()
    forces[atom] = force
    return {**label, "forces": forces}


class Ethanol(LabelCheckContract):
    plugin = "pal_ase.plugin"

    def sample(self):
        return _labelled()[0]

    def label(self):
        return _labelled()[1]


class TestFinite(Ethanol):
    name = "ase.finite"

    def defects(self):
        label = self.label()
        return {
            "NaN force": _changed(label, 3, [0, np.nan, 0]),
            "infinite energy": {**label, "energy": np.array(-np.inf)},
            "NaN in another field": {**label, "stress": np.full((3, 3), np.nan)},
        }


class TestPlausible(Ethanol):
    name = "ase.plausible"

    def defects(self):
        label = self.label()
        pair = _changed(_changed(label, 0, [80.0, 0, 0]), 1, [-80.0, 0, 0])
        return {
            "fixed atoms": _changed(_changed(label, 2, 0), 7, 0),
            "huge forces": pair,
            "net force": {**label, "forces": label["forces"] + [0.1, 0, 0]},
            "NaN": _changed(label, 3, np.nan),
        }


@pytest.fixture
def check(context):
    def make(kind=Plausible, options=PlausibleOptions, **keywords):
        return kind(options(**keywords), context(role="check"))

    return make


def test_reasons_name_atom_number_and_option(check):
    sample, label = _labelled()
    zeroed = _changed(_changed(label, 2, 0), 7, 0)
    assert check().check(sample, zeroed) == (
        "2 of 9 atoms, the first of them number 2, have exactly no force, as if a constraint had been applied "
        "(option zeroed)"
    )
    huge = _changed(label, 4, [0, 60.0, 0])
    assert check().check(sample, huge) == "force of 60 eV/Å on atom 4, limit 50 (option max_force)"
    pulled = {**label, "forces": label["forces"] + [0.1, 0, 0]}
    assert check().check(sample, pulled) == "the forces add up to 0.1 eV/Å per atom, limit 0.02 (option net_force)"
    off = {"max_force": 0, "net_force": 0, "zeroed": False}
    assert check(**off).check(sample, pulled) is None
    assert check(**off).check(sample, huge) is None
    assert check(**off).check(sample, zeroed) is None


def test_all_forces_zero_and_no_atoms_are_plausible(check):
    sample, label = _labelled()
    assert check().check(sample, {**label, "forces": np.zeros((9, 3))}) is None
    assert check().check(sample, {**label, "forces": np.zeros((0, 3))}) is None


def _scaled(label, energy=1.0, forces=1.0):
    return {"energy": label["energy"] * energy, "forces": label["forces"] * forces}


DEFECTS = {
    "energy in hartree": lambda s: _scaled(s, energy=1 / 27.2114),
    "forces in hartree per bohr": lambda s: _scaled(s, forces=1 / 51.4221),
    "gradient instead of forces": lambda s: _scaled(s, forces=-1.0),
    "another electronic state": lambda s: {**s, "energy": s["energy"] + 2.0},
    "not a number": lambda s: {**s, "energy": s["energy"] * np.nan},
}


class TestConsistent:
    kind: ClassVar = (Consistent, ConsistentOptions)

    def test_good_labels_pass(self, check):
        consistent = check(*self.kind)
        for seed in range(60):
            assert consistent.check(*_labelled(0.06, seed)) is None

    @pytest.mark.parametrize("defect", DEFECTS)
    def test_planted_defects_are_found_among_good_neighbours(self, defect, check):
        consistent = check(*self.kind)
        for seed in range(30):
            consistent.check(*_labelled(0.06, seed))
        found = 0
        for seed in range(30, 50):
            sample, label = _labelled(0.06, seed)
            found += consistent.check(sample, DEFECTS[defect](label)) is not None
            assert consistent.check(sample, label) is None
        # Small forces in the wrong unit may hide between small energy differences.
        assert found >= 10

    def test_reason_gives_the_bounds(self, check):
        consistent = check(*self.kind)
        sample, label = _labelled(0.02, 1)
        consistent.check(sample, label)
        reason = consistent.check(sample, {**label, "energy": label["energy"] + 0.5})
        assert reason == (
            "energy differs by 0.500 eV from that of a label 0.00 Å away, the forces allow -0.000 to -0.000 eV "
            "(option tolerance)"
        )

    def test_one_bad_neighbour_does_not_outvote_two_good_ones(self, check):
        consistent = check(*self.kind)
        sample, label = _labelled(0.02, 1)
        assert consistent.check(sample, {**label, "energy": label["energy"] + 5}) is None  # the first ever
        consistent._known.clear()
        consistent.check(*_labelled(0.02, 2))
        consistent.check(*_labelled(0.02, 3))
        far_sample, far_label = _labelled(0.02, 4)
        assert consistent.check(far_sample, {**far_label, "energy": far_label["energy"] + 5}) is not None
        assert consistent.check(sample, label) is None

    def test_only_like_is_compared_with_like(self, check):
        consistent = check(*self.kind)
        sample, label = _labelled(0.02, 1)
        consistent.check(sample, label)
        other = {**label, "energy": label["energy"] + 5}
        assert consistent.check({**sample, "charge": np.array(1, np.int32)}, other) is None
        assert consistent.check({**sample, "cell": np.eye(3)}, other) is None
        assert consistent.check({**sample, "positions": sample["positions"] + 1.0}, other) is None
        assert consistent.check(sample, other) is not None

    def test_memory_is_bounded(self, check):
        consistent = check(*self.kind, memory=5)
        for seed in range(9):
            consistent.check(*_labelled(0.02, seed))
        assert [len(known) for known in consistent._known.values()] == [5]
