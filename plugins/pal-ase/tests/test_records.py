"""Labels against all earlier ones, and all checks in one."""

from __future__ import annotations

import numpy as np
import pytest
from spring_labels import Ethanol, labelled

from pal_ase.check_options import FreshOptions, LevelOptions, TrustworthyOptions
from pal_ase.records import Fresh, Level
from pal_ase.trustworthy import Trustworthy

HARTREE = 27.211386


@pytest.fixture
def make(context):
    return lambda kind, options: kind(options, context(role="check"))


class Remembering(Ethanol):
    def history(self):
        return [labelled(0.05, seed) for seed in range(1, 20)]


class TestFresh(Remembering):
    name = "ase.fresh"

    def defects(self):
        return {"stale": {**self.label(), "forces": self.history()[4][1]["forces"]}}


class TestLevel(Remembering):
    name = "ase.level"

    def defects(self):
        good = self.label()
        return {
            "hartree": {"energy": good["energy"] / HARTREE, "forces": good["forces"] / 51.4},
            "twice": {**good, "energy": good["energy"] * HARTREE},
            "zero": {**good, "energy": np.array(0.0)},
        }


class TestTrustworthy(Remembering):
    name = "ase.trustworthy"

    def defects(self):
        good = self.label()
        stale = TestFresh.defects(self)
        return {
            **stale,
            **TestLevel.defects(self),
            "NaN": {**good, "energy": np.array(np.nan)},
            "sign": {**good, "forces": -good["forces"]},
            "truncated": {**good, "forces": good["forces"][:4]},
            "permuted": {**good, "forces": good["forces"][::-1]},
        }


def test_geometry_that_comes_again_is_refused_once_it_is_admitted(make):
    fresh = make(Fresh, FreshOptions())
    sample, label = labelled()
    assert fresh.check(sample, label, None) is None
    assert fresh.check(sample, label, None) is None
    fresh.remember(sample, label)
    again = "this geometry has been labelled before"
    assert fresh.check(sample, label, None) == f"{again}, with the same forces (option duplicates)"
    other = {**label, "forces": -label["forces"]}
    assert fresh.check(sample, other, None) == f"{again}, with other forces (option duplicates)"
    assert fresh.check({**sample, "charge": np.array(1, np.int32)}, other, None) is None
    assert fresh.check({**sample, "positions": sample["positions"] + 1e-4}, other, None) is None
    allowing = make(Fresh, FreshOptions(duplicates=False))
    allowing.remember(sample, label)
    assert allowing.check(sample, label, None) is None


def test_forces_of_zero_and_of_one_component_may_come_again(make):
    fresh = make(Fresh, FreshOptions())
    for seed in range(3):
        sample, label = labelled(0.05, seed)
        label = {**label, "forces": np.zeros((9, 3))}
        assert fresh.check(sample, label, None) is None
        fresh.remember(sample, label)


def test_memory_of_results_is_bounded(make):
    fresh = make(Fresh, FreshOptions(memory=3))
    for seed in range(6):
        fresh.remember(*labelled(0.05, seed))
    assert fresh.check(*labelled(0.05, 1), None) is None
    assert fresh.check(*labelled(0.05, 4), None) is not None
    assert {len(value) for value in fresh.snapshot().values()} == {3}


def test_level_names_the_unit_that_was_mistaken(make):
    level = make(Level, LevelOptions())
    for seed in range(5):
        sample, label = labelled(0.02, seed)
        assert level.check(sample, label, None) is None
    for factor, words in ((HARTREE, "Hartree for eV?"), (23.060548, "eV taken for kcal/mol?")):
        wrong = {"energy": np.array(-300.0 / factor), "forces": label["forces"]}
        reason = level.check(sample, wrong, None)
        assert f"({words})" in reason
        assert "of 5" in reason or "of 6" in reason


@pytest.mark.parametrize("factor", [1 / HARTREE, 23.060548, 96.485332])
def test_one_energy_shows_that_the_next_is_in_another_unit(make, factor):
    level = make(Level, LevelOptions())
    (first, label), (sample, other) = labelled(0.02, 1), labelled(0.02, 2)
    assert level.check(first, label, None) is None
    wrong = {**other, "energy": other["energy"] * factor}
    assert "for eV?" in level.check(sample, wrong, None)


@pytest.mark.parametrize("factor", [HARTREE, 1.2, -1.0])
def test_one_energy_is_no_majority_otherwise(make, factor):
    level = make(Level, LevelOptions())
    sample, label = labelled(0.02, 1)
    assert level.check(sample, {**label, "energy": label["energy"] / factor}, None) is None
    assert level.check(*labelled(0.02, 2), None) is None


def test_small_energies_may_differ_by_any_factor(make):
    level = make(Level, LevelOptions())
    sample, label = labelled(0.02, 1)
    assert level.check(sample, {**label, "energy": np.array(-2.7)}, None) is None
    assert level.check(sample, {**label, "energy": np.array(-0.1)}, None) is None


def test_level_allows_strained_structures_and_broken_bonds(make):
    level = make(Level, LevelOptions())
    sample = labelled(0.02, 1)[0]
    flat = {"energy": np.array(-300.0), "forces": np.zeros((9, 3))}
    for _ in range(5):
        assert level.check(sample, flat, None) is None
    assert level.check(sample, {**flat, "energy": np.array(-292.0)}, None) is None
    assert level.check(sample, {**flat, "energy": np.array(-290.0)}, None) is not None
    strained = {"energy": np.array(-270.0), "forces": np.full((9, 3), 5.0)}
    assert level.check(sample, strained, None) is None


def test_first_bad_energy_does_not_lead_to_refusals(make):
    level = make(Level, LevelOptions())
    sample, label = labelled(0.02, 1)
    energies = [-11.0, *[-300.0] * 8]
    verdicts = [level.check(sample, {**label, "energy": np.array(e)}, None) for e in energies]
    assert verdicts == [None] * 9
    assert level.check(sample, {**label, "energy": np.array(-11.0)}, None) is not None


def test_checks_can_be_left_out_and_have_their_options(make):
    sample, label = labelled()
    pulled = {**label, "forces": label["forces"] + [0.1, 0, 0]}
    assert make(Trustworthy, TrustworthyOptions()).check(sample, pulled, None) == (
        "plausible: the forces add up to 0.1 eV/Å per atom, limit 0.02 (option net_force)"
    )
    options = TrustworthyOptions.model_validate({"plausible": {"net_force": 0.2}})
    assert make(Trustworthy, options).check(sample, pulled, None) is None
    assert make(Trustworthy, TrustworthyOptions(without=("plausible",))).check(sample, pulled, None) is None


def test_umbrella_restores_what_is_left(make):
    full = make(Trustworthy, TrustworthyOptions())
    for seed in range(6):
        sample, label = labelled(0.05, seed)
        assert full.check(sample, label, None) is None
        full.remember(sample, label)
    fewer = make(Trustworthy, TrustworthyOptions(without=("consistent",)))
    fewer.restore(full.snapshot())
    assert fewer.check(*labelled(0.05, 3), None).startswith("fresh: this geometry")
    assert not any(name.startswith("consistent.") for name in fewer.snapshot())
