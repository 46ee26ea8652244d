"""Whether two structures are the same minimum."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from ase.geometry import find_mic
from numpy.typing import NDArray

from pal_ase.alignment import differences

__all__ = ["Likeness", "bonds", "likeness"]

_BOND = 1.3  # sums of covalent radii up to which atoms are bonded


@dataclass(frozen=True, order=True)
class Likeness:
    """How unlike two structures are, worst first: by bonds that only one of them has, then by distance.

    Parameters
    ----------
    bonds : int
        Bonds that only one of them has.
    distance : float
        Root mean square displacement of an atom, laid upon each other, in Å.
    """

    bonds: int
    distance: float


def bonds(atoms: Atoms) -> NDArray[np.bool_]:
    """Which atoms are bonded, shape (atoms, atoms), by 1.3 times the sum of their covalent radii."""
    radii = covalent_radii[atoms.numbers]
    distances = atoms.get_all_distances(mic=bool(atoms.pbc.any()))
    close: NDArray[np.bool_] = distances < _BOND * (radii[:, None] + radii)
    np.fill_diagonal(close, val=False)
    return close


def likeness(atoms: Atoms, other: Atoms) -> Likeness:
    """Compare structures of the same atoms in the same order; those with fixed atoms lie upon each other already."""
    changed = int((bonds(atoms) != bonds(other)).sum()) // 2
    if atoms.constraints:
        moved, _ = find_mic(atoms.positions - other.positions, atoms.cell, atoms.pbc)
    else:
        moved, _ = differences(atoms.positions, other.positions[None], atoms.cell.array, atoms.pbc)
    return Likeness(changed, float(np.sqrt((moved**2).sum() / max(len(atoms), 1))))
