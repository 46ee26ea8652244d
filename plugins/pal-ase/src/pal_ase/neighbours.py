"""Neighbouring atoms, in a time that grows with their number and not with its square."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import complete_cell
from numpy.typing import NDArray
from scipy.spatial import cKDTree

__all__ = ["MARGIN", "Pairs", "lowest_height", "pairs_within"]

Floats = NDArray[np.float64]
Indices = NDArray[np.integer[Any]]

MARGIN = 1.0
"""Å that `pairs_within` looks beyond what it is asked for."""
_DENSE = 50  # atoms up to which all distances are cheaper than a tree


@dataclass(frozen=True)
class Pairs:
    """Pairs of atoms, each in both directions; an atom may be a neighbour of its own periodic image.

    Parameters
    ----------
    i, j : ndarray of int, shape (pairs,)
    distance : ndarray of float64, shape (pairs,)
        In Å.
    sums : ndarray of float64, shape (pairs,)
        Sums of covalent radii in Å.
    """

    i: Indices
    j: Indices
    distance: Floats
    sums: Floats


def pairs_within(atoms: Atoms, factor: float) -> Pairs:
    """At least all pairs that are closer than `factor` times their covalent radii and another `MARGIN`."""
    cutoff = 2 * factor * float(covalent_radii[atoms.numbers].max(initial=0.0)) + MARGIN
    dense = len(atoms) <= _DENSE and not atoms.pbc.any()
    i, j, distance = _all(atoms.positions) if dense else _tree(atoms, cutoff)
    return Pairs(i, j, distance, covalent_radii[atoms.numbers[i]] + covalent_radii[atoms.numbers[j]])


def lowest_height(atoms: Atoms) -> float:
    """Least distance of opposite faces along a periodic direction, in Å; infinity without one, 0 for a flat cell."""
    if not atoms.pbc.any():
        return np.inf
    try:
        inverse = np.linalg.inv(complete_cell(atoms.cell.array))
    except np.linalg.LinAlgError:
        return 0.0
    return float(_heights(inverse)[atoms.pbc].min())


def _heights(inverse: Floats) -> Floats:
    # Columns of the inverse are normals of the faces, as long as one over the distance of opposite faces.
    height: Floats = 1 / np.linalg.norm(inverse, axis=0)
    return height


def _all(positions: Floats) -> tuple[Indices, Indices, Floats]:
    i, j = np.nonzero(~np.eye(len(positions), dtype=bool))
    arm = positions[i] - positions[j]
    return i, j, np.sqrt(np.einsum("ij,ij->i", arm, arm))


def _tree(atoms: Atoms, cutoff: float) -> tuple[Indices, Indices, Floats]:
    own, images, origin = _images(atoms, cutoff)
    found = cKDTree(own).sparse_distance_matrix(cKDTree(images), cutoff, output_type="ndarray")
    # The atoms themselves stand first among the images.
    found = found[found["i"] != found["j"]]
    return found["i"], origin[found["j"]], found["v"]


def _images(atoms: Atoms, cutoff: float) -> tuple[Floats, Floats, Indices]:
    """Wrapped positions; these and all periodic images within `cutoff` of the cell; whose images they are."""
    n = len(atoms)
    if not atoms.pbc.any():
        return atoms.positions, atoms.positions, np.arange(n)
    cell = complete_cell(atoms.cell.array)
    inverse = np.linalg.inv(cell)
    skin = cutoff / _heights(inverse)
    fractions = atoms.positions @ inverse
    fractions -= np.floor(fractions) * atoms.pbc
    ranges = [range(-k, k + 1) if p else range(1) for k, p in zip(np.ceil(skin).astype(int), atoms.pbc, strict=True)]
    shifts = np.array([(0, 0, 0), *(s for s in product(*ranges) if any(s))], np.float64)
    shifted = (fractions + shifts[:, None]).reshape(-1, 3)
    inside = ((shifted >= -skin) & (shifted <= 1 + skin)) | ~atoms.pbc
    keep = inside.all(axis=1)
    return fractions @ cell, shifted[keep] @ cell, np.tile(np.arange(n), len(shifts))[keep]
