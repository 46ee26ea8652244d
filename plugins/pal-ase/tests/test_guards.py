from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms, units
from ase.build import bulk, molecule
from ase.constraints import FixAtoms

from pal_ase import neighbours
from pal_ase.guards import Guards, kinetic_temperature


def _guards(start, closest=0.5, isolated=3.0, spread=3.0, hot=0.0, connected=0.0):
    return Guards(closest, isolated, spread, hot, start, connected=connected)


def test_limits_are_where_they_are_said_to_be():
    pair = Atoms("C2", [[0, 0, 0], [0, 0, 1.4]])
    guards = _guards(pair, spread=0)
    for distance, problem in [(0.755, "too close"), (0.765, None), (4.55, None), (4.57, "exploded")]:
        pair.positions[1, 2] = distance
        found = guards.judge(pair)
        assert (found is None) if problem is None else problem in found, (distance, found)


def test_fragments_that_leave_are_noticed():
    pair = molecule("H2O") + molecule("H2O")
    pair.positions[3:] += [0, 0, 3.0]
    guards = _guards(pair)
    assert guards.judge(pair) is None
    pair.positions[3:] += [0, 0, 9.0]
    assert guards.judge(pair).startswith("exploded: an atom is")
    assert _guards(pair, spread=0).judge(pair) is None


def test_periodic_systems_may_diffuse():
    atoms = bulk("Cu", cubic=True)
    guards = _guards(atoms)
    atoms.positions[0] += 50 * atoms.cell[0]
    assert guards.judge(atoms) is None
    atoms.positions[0] += [0.0, 1.805 - 0.5, 1.805]
    assert "atoms too close: Cu0 and Cu1 are 0.50 Å apart" in guards.judge(atoms)


def test_collapsed_cell_is_noticed():
    atoms = bulk("Cu", cubic=True)
    guards = _guards(atoms)
    atoms.set_cell(atoms.cell * [1, 1, 0.01], scale_atoms=True)
    assert guards.judge(atoms) == "cell collapsed: opposite faces are 0.036 Å apart"


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_positions_that_are_not_finite_are_noticed(value, ethanol):
    guards = _guards(ethanol)
    assert guards.judge(ethanol) is None
    ethanol.positions[3, 1] = value
    assert guards.judge(ethanol) == "positions are not finite"


def test_single_atoms_and_switched_off_guards_pass():
    atom = Atoms("H", [[0, 0, 0]])
    guards = _guards(atom)
    assert guards.judge(atom) is None
    heap = Atoms("H3", np.zeros((3, 3)))
    assert Guards(0, 0, 0, 0, heap).judge(heap) is None


def test_hot_atoms_are_noticed():
    atoms = Atoms("Ar", [[0, 0, 0]])
    atoms.set_momenta([[np.sqrt(3 * units.kB * 1000 * atoms.get_masses()[0]), 0, 0]])
    assert kinetic_temperature(atoms) == pytest.approx(1000)
    assert _guards(atoms, hot=999).judge(atoms) == "too hot: kinetic temperature 1000 K, limit 999 K"
    assert _guards(atoms, hot=1001).judge(atoms) is None


def test_fixed_atoms_have_no_share_in_the_temperature(crystal):
    crystal.set_momenta(np.random.default_rng(0).normal(size=(32, 3)))
    crystal.set_constraint(FixAtoms(range(16)))
    crystal.set_momenta(crystal.get_momenta())
    assert kinetic_temperature(crystal) == pytest.approx(crystal.get_temperature())


@pytest.mark.parametrize("connected", [0.0, 1.35])
@pytest.mark.parametrize("start", [molecule("CH3CH2OH"), bulk("Cu", cubic=True), Atoms("H2", [[0, 0, 0], [0, 0, 0.7]])])
def test_verdict_is_that_of_a_guard_without_memory(start, connected):
    """A random walk that shrinks and swells until limits are crossed."""
    rng = np.random.default_rng(5)
    guards, atoms, verdicts = _guards(start, connected=connected), start.copy(), []
    for step in range(600):
        scale = 1 + 0.03 * np.sin(step / 25)
        atoms.set_cell(atoms.cell * scale, scale_atoms=False)
        atoms.positions = atoms.positions * scale + rng.normal(0, 0.02, atoms.positions.shape)
        found = guards.judge(atoms)
        assert found == _guards(start, connected=connected).judge(atoms), step
        verdicts.append(found is None)
        if not verdicts[-1]:
            atoms = start.copy()
    assert 0.5 < np.mean(verdicts) < 1


def test_full_looks_are_rare(ethanol, monkeypatch):
    looks = []
    original = neighbours.pairs_within
    monkeypatch.setattr("pal_ase.guards.pairs_within", lambda *a: looks.append(0) or original(*a))
    guards = _guards(ethanol)
    rng = np.random.default_rng(0)
    start = ethanol.positions.copy()
    for _ in range(200):
        ethanol.positions = start + rng.uniform(-0.05, 0.05, start.shape)
        assert guards.judge(ethanol) is None
    assert len(looks) == 1


def test_another_composition_is_looked_at_afresh(ethanol):
    guards = _guards(ethanol)
    assert guards.judge(ethanol) is None
    other = ethanol.copy()
    other.numbers[3] = 55  # caesium where hydrogen was
    assert "too close" in guards.judge(other)


def test_connected_refuses_what_falls_apart_into_fragments():
    pair = molecule("H2O") + molecule("H2O")
    pair.positions[3:] += [0, 0, 3.0]
    guards = Guards(0.5, 3.0, 0.0, 0.0, pair, connected=3.3)
    assert guards.judge(pair) is None
    pair.positions[3:] += [0, 0, 2.0]
    found = guards.judge(pair)
    assert found == "fell apart into OH2 and OH2, further from each other than 3.3 times the sum of the covalent radii"


def test_connected_is_where_it_is_said_to_be():
    chain = Atoms("C3", [[0, 0, 0], [0, 0, 1.4], [0, 0, 2.8]])  # sums of radii: 1.52 Å
    guards = Guards(0.5, 0.0, 0.0, 0.0, chain, connected=2.0)
    for distance, fine in [(3.03, True), (3.05, False), (3.0, True), (3.02, True), (3.041, False)]:
        chain.positions[2, 2] = 1.4 + distance
        assert (guards.judge(chain) is None) is fine, distance


def test_periodic_images_connect():
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 4.9]], cell=[2.5, 2.5, 7.5], pbc=True)
    assert Guards(0.5, 0.0, 0.0, 0.0, atoms, connected=1.1).judge(atoms) is None  # 2.6 Å across the boundary, limit 2.9
    atoms.pbc = [True, True, False]
    assert Guards(0.5, 0.0, 0.0, 0.0, atoms, connected=1.1).judge(atoms).startswith("fell apart into Cu and Cu")
