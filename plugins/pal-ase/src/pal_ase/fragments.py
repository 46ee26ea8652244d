"""What holds together by distances."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components, minimum_spanning_tree

from pal_ase.neighbours import Pairs

__all__ = ["fragments", "room_of_links"]


def fragments(atoms: int, pairs: Pairs, factor: float) -> NDArray[np.integer[Any]]:
    """Number of each atom's fragment, shape (atoms,), from 0.

    Parameters
    ----------
    atoms : int
    pairs : Pairs
        All that are closer than `factor` sums of covalent radii, and others.
    factor : float
        Sums of covalent radii within which two atoms are bound.
    """
    bound = pairs.distance < factor * pairs.sums
    bonds = coo_array((bound[bound], (pairs.i[bound], pairs.j[bound])), shape=(atoms, atoms))
    members: NDArray[np.integer[Any]] = connected_components(bonds, directed=False)[1]
    return members


def room_of_links(atoms: int, pairs: Pairs, factor: float) -> float:
    """Å by which all distances may grow before the atoms fall apart; negative if they are apart.

    That is how far the longest of the links that hold them together is from its limit, `factor` sums of covalent
    radii. Those links are a spanning tree that leaves most room.

    Parameters
    ----------
    atoms : int
    pairs : Pairs
        All that are closer than `factor` sums of covalent radii, and others.
    factor : float
    """
    if atoms < 2:
        return np.inf
    room = factor * pairs.sums - pairs.distance
    # Of periodic images of a pair only the nearest counts; the matrix would hold their sum.
    order = np.argsort(-room, kind="stable")
    order = order[np.unique(pairs.i[order] * atoms + pairs.j[order], return_index=True)[1]]
    apart = pairs.i[order] != pairs.j[order]
    order = order[apart]
    top = float(room.max(initial=0.0)) + 1.0  # no link may weigh 0, which is none
    weights = coo_array((top - room[order], (pairs.i[order], pairs.j[order])), shape=(atoms, atoms))
    tree = minimum_spanning_tree(weights.tocsr())
    return top - float(tree.data.max()) if tree.nnz == atoms - 1 else -np.inf
