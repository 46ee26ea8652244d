from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, fcc111, molecule
from ase.neighborlist import neighbor_list

import pal_ase.learning.neighbours as module
from pal_ase.learning.neighbours import half_pairs, ranges


def pairs_of(images, cutoff):
    offsets = np.concatenate([[0], np.cumsum([len(a) for a in images])])
    positions = np.concatenate([a.positions for a in images])
    cells, pbc = np.array([a.cell.array for a in images]), np.array([a.pbc for a in images])
    return (*half_pairs(positions, offsets, cells, pbc, cutoff), offsets)


def as_set(first, second, vectors):
    rows = np.column_stack([first, second, np.round(vectors, 6) + 0.0])
    return rows[np.lexsort(rows.T[::-1])]


def assert_equals_ase(images, cutoff):
    first, second, vectors, offsets = pairs_of(images, cutoff)
    assert (np.diff(first) >= 0).all()
    for k, atoms in enumerate(images):
        own = (first >= offsets[k]) & (first < offsets[k + 1])
        i, j, v = first[own] - offsets[k], second[own] - offsets[k], vectors[own]
        both = as_set(np.concatenate([i, j]), np.concatenate([j, i]), np.concatenate([v, -v]))
        np.testing.assert_allclose(both, as_set(*neighbor_list("ijD", atoms, cutoff)), atol=2e-6)


def random_atoms(rng):
    cell = rng.normal(size=(3, 3)) + np.diag(rng.uniform(3, 9, 3))
    positions = rng.uniform(-15, 15, (int(rng.integers(1, 90)), 3))
    return Atoms(f"H{len(positions)}", positions, cell=cell, pbc=rng.integers(0, 2, 3).astype(bool))


@pytest.mark.parametrize("seed", range(8))
def test_pairs_are_those_of_ase(seed):
    rng = np.random.default_rng(seed)
    images = [random_atoms(rng) for _ in range(4)]
    assert_equals_ase([*images, molecule("CH3CH2OH"), Atoms("He")], rng.uniform(1.5, 5.5))


def test_slab_without_a_third_cell_vector():
    slab = fcc111("Cu", (2, 2, 3))
    slab.pbc = (True, True, False)
    assert not slab.cell[2].any()
    assert_equals_ase([slab], 4.0)


def test_chain_with_one_cell_vector():
    assert_equals_ase([Atoms("C2", [[0, 0, 0], [0, 0.5, 1.2]], cell=[0, 0, 2.4], pbc=(False, False, True))], 5.0)


def test_primitive_cell_smaller_than_the_cutoff():
    assert_equals_ase([bulk("Cu")], 6.0)


def test_comparing_all_pairs_and_sorting_into_cubes_agree(monkeypatch):
    images = [molecule("C6H6"), Atoms("H40", np.random.default_rng(1).uniform(0, 12, (40, 3))), Atoms("He")]
    everything = as_set(*pairs_of(images, 4.0)[:3])
    monkeypatch.setattr(module, "_SMALL", 0)
    np.testing.assert_array_equal(as_set(*pairs_of(images, 4.0)[:3]), everything)


def test_no_samples_and_samples_without_atoms():
    assert len(half_pairs(np.zeros((0, 3)), np.zeros(1, int), np.zeros((0, 3, 3)), np.zeros((0, 3), bool), 5.0)[0]) == 0
    empty = np.zeros((0, 3)), np.zeros(3, int), np.zeros((2, 3, 3)), np.ones((2, 3), bool)
    assert len(half_pairs(*empty, 5.0)[0]) == 0


def test_periodic_cell_without_volume_is_named():
    atoms = Atoms("Cu", cell=[[2, 0, 0], [4, 0, 0], [0, 0, 3]], pbc=True)
    with pytest.raises(ValueError, match=r"sample 1 is periodic, but its cell has no volume: \[\[2\.0, 0\.0, 0\.0\]"):
        pairs_of([molecule("H2O"), atoms], 5.0)


def test_ranges_join_runs_of_numbers():
    np.testing.assert_array_equal(ranges(np.array([5, 0, 9]), np.array([2, 0, 3])), [5, 6, 9, 10, 11])
    assert len(ranges(np.zeros(0, int), np.zeros(0, int))) == 0
