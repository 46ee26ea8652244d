from __future__ import annotations

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import covalent_radii
from ase.neighborlist import primitive_neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from pal_ase.neighbours import lowest_height, pairs_within


def _table(i, j, d, limit):
    keep = d < limit
    return sorted(zip(i[keep].tolist(), j[keep].tolist(), np.round(d[keep], 9).tolist(), strict=True))


@settings(max_examples=40, deadline=None)
@given(
    st.integers(0, 2**32 - 1),
    st.integers(1, 70),
    st.tuples(st.booleans(), st.booleans(), st.booleans()),
    st.floats(0.3, 2.5),
)
def test_pairs_are_those_of_ases_neighbour_list(seed, n, pbc, factor):
    rng = np.random.default_rng(seed)
    cell = np.diag(rng.uniform(2, 12, 3)) + rng.normal(0, 1.0, (3, 3))
    atoms = Atoms(rng.choice([1, 6, 29], n), rng.uniform(-15, 15, (n, 3)), cell=cell, pbc=pbc)
    limit = 2 * factor * covalent_radii[atoms.numbers].max()
    if lowest_height(atoms) < 0.5:
        return
    pairs = pairs_within(atoms, factor)
    theirs = primitive_neighbor_list("ijd", atoms.pbc, atoms.cell.array, atoms.positions, limit)
    assert _table(pairs.i, pairs.j, pairs.distance, limit - 1e-6) == _table(*theirs, limit - 1e-6)
    radii = covalent_radii[atoms.numbers]
    np.testing.assert_array_equal(pairs.sums, radii[pairs.i] + radii[pairs.j])


def test_an_atom_is_its_own_neighbour_across_a_boundary():
    pairs = pairs_within(bulk("Cu"), 1.0)
    assert set(zip(pairs.i, pairs.j, strict=True)) == {(0, 0)}
    nearest = pairs.distance[pairs.distance < 3.0]
    np.testing.assert_allclose(nearest, [3.61 / np.sqrt(2)] * 12)


def test_slab_without_a_third_cell_vector():
    atoms = Atoms("Cu2", [[0, 0, 0], [0, 0, 2.5]], cell=[2.5, 2.5, 0], pbc=[True, True, False])
    pairs = pairs_within(atoms, 1.0)
    assert np.sum(pairs.i != pairs.j) == 2 + 8
    assert lowest_height(atoms) == pytest.approx(2.5)


def test_height_of_a_flat_cell_is_zero():
    assert lowest_height(Atoms("Cu", cell=[[1, 0, 0], [0, 1, 0], [1, 1, 0]], pbc=True)) == pytest.approx(0, abs=1e-12)
    assert lowest_height(Atoms("Cu")) == np.inf
