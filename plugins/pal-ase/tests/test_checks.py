"""Checks that look at one label alone."""

from __future__ import annotations

import numpy as np
import pytest
from spring_labels import Ethanol, changed, labelled

from pal_ase.check_options import PlausibleOptions
from pal_ase.checks import Plausible


class TestFinite(Ethanol):
    name = "ase.finite"

    def defects(self):
        label = self.label()
        return {
            "NaN force": changed(label, 3, [0, np.nan, 0]),
            "infinite energy": {**label, "energy": np.array(-np.inf)},
            "NaN in another field": {**label, "stress": np.full((3, 3), np.nan)},
        }


class TestPlausible(Ethanol):
    name = "ase.plausible"

    def defects(self):
        label = self.label()
        pair = changed(changed(label, 0, [180.0, 0, 0]), 1, [-180.0, 0, 0])
        return {
            "fixed atoms": changed(changed(label, 2, 0), 7, 0),
            "huge forces": pair,
            "net force": {**label, "forces": label["forces"] + [0.1, 0, 0]},
            "NaN": changed(label, 3, np.nan),
            "zero": {"energy": np.array(0.0), "forces": np.zeros((9, 3))},
            "zero forces": {**label, "forces": np.zeros((9, 3))},
            "one atom less": {**label, "forces": label["forces"][:-1]},
            "two hydrogens exchanged": {**label, "forces": label["forces"][[0, 1, 2, 3, 4, 5, 7, 6, 8]]},
        }


@pytest.fixture
def check(context):
    def make(**keywords):
        return Plausible(PlausibleOptions(**keywords), context(role="check"))

    return make


def test_reasons_name_atom_number_and_option(check):
    sample, label = labelled()
    zeroed = changed(changed(label, 2, 0), 7, 0)
    assert check().check(sample, zeroed, None) == (
        "2 of 9 atoms, the first of them number 2, have exactly no force, as if a constraint had been applied "
        "(option zeroed)"
    )
    huge = changed(label, 4, [0, 160.0, 0])
    assert check().check(sample, huge, None) == "force of 160 eV/Å on atom 4, limit 100 (option max_force)"
    pulled = {**label, "forces": label["forces"] + [0.1, 0, 0]}
    assert (
        check().check(sample, pulled, None) == "the forces add up to 0.1 eV/Å per atom, limit 0.02 (option net_force)"
    )
    off = {"max_force": 0, "net_force": 0, "net_torque": 0, "zeroed": False}
    assert check(**off).check(sample, pulled, None) is None
    assert check(**off).check(sample, huge, None) is None
    assert check(**off).check(sample, zeroed, None) is None


def test_no_atoms_one_atom_and_perfect_crystals_may_have_no_forces(check):
    sample, label = labelled()
    empty = {**sample, "positions": np.zeros((0, 3))}
    assert check().check(empty, {**label, "forces": np.zeros((0, 3))}, None) is None
    single = {**sample, "positions": np.zeros((1, 3))}
    assert check().check(single, {**label, "forces": np.zeros((1, 3))}, None) is None
    none = {**label, "forces": np.zeros((9, 3))}
    assert check().check({**sample, "pbc": np.ones(3, bool)}, none, None) is None
    assert check().check(sample, none, None) == "the forces on all 9 atoms are exactly zero (option zeroed)"
    nothing = {**none, "energy": np.array(0.0)}
    assert check().check({**sample, "pbc": np.ones(3, bool)}, nothing, None) == (
        "energy and forces are exactly zero (option zeroed)"
    )


def test_torque_counts_in_free_molecules_only(check):
    sample, label = labelled()
    turning = {**label, "forces": label["forces"] + np.cross([0, 0, 0.1], sample["positions"])}
    turning["forces"] -= turning["forces"].mean(axis=0)
    reason = check().check(sample, turning, None)
    assert "the forces would turn the free molecule" in reason
    assert reason.endswith("(option net_torque)")
    assert check().check({**sample, "pbc": np.ones(3, bool)}, turning, None) is None
    far = {**sample, "positions": sample["positions"] + 100.0}
    assert check().check(far, label, None) is None


def test_missing_rows_are_counted(check):
    sample, label = labelled()
    assert check().check(sample, {**label, "forces": label["forces"][:5]}, None) == (
        "forces have the shape (5, 3), the positions (9, 3)"
    )
