"""Which orbitals a calculation starts from."""

from __future__ import annotations

import numpy as np

from pal_ase.orbital_store import OrbitalStore

POSITIONS = np.array([[0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])


def sample(shift=0.0, charge=0, multiplicity=1, numbers=(8, 1, 1), positions=POSITIONS):
    moved = positions.copy()
    moved[0, 0] += shift
    return {
        "numbers": np.array(numbers, np.int32),
        "positions": moved,
        "charge": np.int32(charge),
        "multiplicity": np.int32(multiplicity),
    }


def test_the_nearest_geometry_wins():
    store = OrbitalStore()
    for name, shift in (("a", 0.0), ("b", 0.2), ("c", 0.4)):
        store.add(sample(shift), name)
    assert [store.nearest(sample(shift)) for shift in (0.05, 0.19, 0.5)] == ["a", "b", "c"]


def test_others_composition_charge_spin_and_order_of_atoms_are_of_no_use():
    store = OrbitalStore()
    store.add(sample(), "neutral")
    others = (sample(charge=1), sample(multiplicity=3), sample(numbers=(1, 8, 1)), sample(numbers=(16, 1, 1)))
    assert [store.nearest(s) for s in others] == [None] * 4


def test_far_geometries_are_of_no_use_but_translation_does_not_matter():
    store = OrbitalStore(within=0.3)
    store.add(sample(), "a")
    assert store.nearest(sample(positions=POSITIONS + 7.0)) == "a"
    assert store.nearest(sample(positions=POSITIONS[:, ::-1])) is None


def test_the_longest_unused_goes_first():
    store = OrbitalStore(keep=2)
    assert store.add(sample(0.0), "a") == []
    assert store.add(sample(0.2), "b") == []
    assert store.nearest(sample(0.0)) == "a"
    assert store.add(sample(0.4), "c") == ["b"]
    assert len(store) == 2
