"""Labels of distorted ethanol with springs for bonds, for tests of label checks."""

from __future__ import annotations

import numpy as np
from ase.build import molecule
from pal_core.testing import LabelCheckContract

from pal_ase.codec import atoms_to_sample

LEVEL = -300.0
_FIRST, _SECOND = np.triu_indices(9, 1)


def _distances(positions):
    vectors = positions[_FIRST] - positions[_SECOND]
    return vectors, np.linalg.norm(vectors, axis=1)


def labelled(rattle=0.05, seed=0):
    """Springs between all pairs of atoms, stiff ones [eV/Å^2] between near ones."""
    atoms = molecule("CH3CH2OH")
    rest = _distances(atoms.positions)[1]
    stiffness = 60 * np.exp(-1.5 * rest)
    atoms.rattle(rattle, seed=seed)
    vectors, lengths = _distances(atoms.positions)
    pulls = (stiffness * (lengths - rest) / lengths)[:, None] * vectors
    forces = np.zeros((9, 3))
    np.add.at(forces, _FIRST, -pulls)
    np.add.at(forces, _SECOND, pulls)
    energy = LEVEL + 0.5 * float(stiffness @ np.square(lengths - rest))
    return atoms_to_sample(atoms), {"energy": np.array(energy), "forces": forces}


def changed(label, atom, force):
    forces = label["forces"].copy()
    forces[atom] = force
    return {**label, "forces": forces}


class Ethanol(LabelCheckContract):
    plugin = "pal_ase.plugin"

    def sample(self):
        return labelled()[0]

    def label(self):
        return labelled()[1]
