"""How stiff bonds are, by the forces of one label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.neighborlist import neighbor_list
from numpy.typing import NDArray
from pal_core.kernels import Sample

__all__ = ["Stiffness", "stiffness"]

Floats = NDArray[np.float64]

COULOMB = 14.399645
"""e²/4πε₀ in eV Å (CODATA 2018)."""
_BONDED = 1.25
"""Largest distance of bonded atoms over the sum of their covalent radii."""
_DISTURBED = 0.06
"""eV/Å. Lengths of one kind differ by less in relaxed molecules (C-H: 0.006 Å), by more at 300 K, as a rule."""
_FREEDOM = 2
_FEWEST = 4
"""Atoms of the smallest molecule that leaves two degrees of freedom."""


class Stiffness(NamedTuple):
    """Mean stiffness of bonds in units of e²/4πε₀r³, its standard error, and what it was found by.

    `disturbance` [eV/Å] is how far lengths are from the median of their kind, times e²/4πε₀r³, the median over all.
    """

    value: float
    error: float
    bonds: int
    disturbance: float


def stiffness(sample: Sample, forces: Floats) -> Stiffness | None:
    """Stiffness of the bonds of terminal atoms; None if there are too few or their lengths hardly differ.

    Parameters
    ----------
    sample : mapping of str to ndarray
    forces : ndarray, shape (atoms, 3), eV/Å

    Notes
    -----
    The force on an atom with a single neighbour, along the bond, is that bond's. Of bonds of one kind (the elements and
    the number of the other atom's neighbours), which have nearly the same length at rest, the longer ones pull
    and the shorter ones push: the regression of forces on lengths, both from the mean of their kind, is the stiffness.
    Stiffness goes roughly with 1/r³ (Badger's rule, J. Chem. Phys. 2, 128 (1934), without its shift of r). In units of
    e²/4πε₀r³ it is 1.0 for H2, 3 for C-H and HF, 12 for CO, 14 for I2, by their vibrations.
    """
    if len(forces) < _FEWEST:
        return None
    lengths, pulls, kinds = _terminal(sample, forces)
    if not len(kinds):
        return None
    _, kind = np.unique(kinds, axis=0, return_inverse=True)
    members = np.equal.outer(np.arange(kind.max() + 1), kind.reshape(-1))
    x, y, disturbed = [], [], []
    for those in members[members.sum(axis=1) > 1]:
        r, unit = lengths[those], COULOMB / lengths[those].mean() ** 3
        x.append((r - r.mean()) * unit)
        y.append(pulls[those] - pulls[those].mean())
        disturbed.append(np.abs(r - np.median(r)) * unit)
    freedom = sum(len(part) - 1 for part in x)
    disturbance = float(np.median(np.concatenate(disturbed))) if disturbed else 0.0
    if freedom < _FREEDOM or disturbance < _DISTURBED:
        return None
    return Stiffness(*_regression(np.concatenate(x), np.concatenate(y), freedom), disturbance)


def _regression(x: Floats, y: Floats, freedom: int) -> tuple[float, float, int]:
    """Slope, its standard error and the number of points."""
    slope = float(x @ y / (x @ x))
    rest = y - slope * x
    return slope, float(np.sqrt(rest @ rest / (freedom - 1) / (x @ x))), len(x)


def _terminal(sample: Sample, forces: Floats) -> tuple[Floats, Floats, NDArray[np.int64]]:
    """Lengths (bonds,) of terminal atoms' bonds, the force (bonds,) that shortens them, and their kinds (bonds, 3)."""
    numbers, positions = np.asarray(sample["numbers"], np.int64), np.asarray(sample["positions"], np.float64)
    pbc, cell = np.asarray(sample["pbc"], bool), np.asarray(sample["cell"], np.float64)
    atoms = Atoms(numbers, positions, cell=cell, pbc=pbc)
    i, j, length, vector = neighbor_list("ijdD", atoms, _BONDED * covalent_radii[numbers])
    neighbours = np.bincount(i, minlength=len(numbers))
    once = (neighbours[j] > 1) | (i < j)
    kept = (neighbours[i] == 1) & once & (length > 0)
    i, j, length, vector = i[kept], j[kept], length[kept], vector[kept]
    pulls = np.einsum("bk,bk->b", forces[i], vector) / np.maximum(length, 1e-300)
    return length, pulls, np.column_stack([numbers[i], numbers[j], neighbours[j]])
