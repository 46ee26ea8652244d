"""Variables of a geometry with their gradients: distances, angles, dihedrals, differences, coordination numbers.

Every variable is a function of some vectors from one atom to another. Its gradient with respect to a vector goes to
the atom at the vector's end, and with the opposite sign to the one at its beginning.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise, product

import numpy as np
from ase import Atoms
from ase.geometry import find_mic
from numpy.typing import NDArray

from pal_ase.variable_options import VariableOptions

__all__ = ["Variable"]

Floats = NDArray[np.float64]
Function = Callable[[Floats], tuple[float, Floats]]
_STRAIGHT = 1e-9  # sine below which three atoms lie on a line, where an angle's gradient has no direction


class Variable:
    """A variable s of a geometry.

    Parameters
    ----------
    options : VariableOptions

    Attributes
    ----------
    unit : float
        What the unit of the options (Å, degrees or 1) is in the variable's own (Å, rad, 1).
    """

    def __init__(self, options: VariableOptions) -> None:
        pairs, self._function = _CHOICES[options.kind](options)
        self._first, self._second = np.array(pairs).T
        self._periodic = options.kind == "dihedral"
        self.unit = float(np.pi / 180) if options.kind in ("angle", "dihedral") else 1.0

    def evaluate(self, atoms: Atoms) -> tuple[float, Floats]:
        """Value in Å, rad or 1, and its gradient, shape (atoms, 3), per Å. Takes the nearest periodic images."""
        positions = atoms.positions
        vectors = positions[self._second] - positions[self._first]
        if atoms.pbc.any():
            vectors = find_mic(vectors, atoms.cell, atoms.pbc)[0]
        value, pulls = self._function(vectors)
        gradient = np.zeros_like(positions)
        np.add.at(gradient, self._second, pulls)
        np.subtract.at(gradient, self._first, pulls)
        return value, gradient

    def shortest(self, difference: Floats) -> Floats:
        """A difference of two values; that of two dihedrals between -π and π."""
        return difference - 2 * np.pi * np.round(difference / (2 * np.pi)) if self._periodic else difference


def _distance(vectors: Floats) -> tuple[float, Floats]:
    length = float(np.linalg.norm(vectors[0]))
    return length, vectors / length


def _difference(vectors: Floats) -> tuple[float, Floats]:
    lengths = np.linalg.norm(vectors, axis=1)
    return float(lengths[0] - lengths[1]), vectors / (lengths * [1, -1])[:, None]


def _angle(vectors: Floats) -> tuple[float, Floats]:
    a, b = vectors
    normal = np.cross(a, b)
    sine, cosine = float(np.linalg.norm(normal)), float(a @ b)
    value = float(np.arctan2(sine, cosine))
    if sine < _STRAIGHT * float(np.linalg.norm(a) * np.linalg.norm(b)):
        return value, np.zeros((2, 3))
    return value, np.stack([np.cross(a, normal) / (a @ a), np.cross(-b, normal) / (b @ b)]) / sine


def _dihedral(vectors: Floats) -> tuple[float, Floats]:
    """Gradient by Blondel and Karplus, J. Comput. Chem. 17, 1132 (1996), eq. 27; IUPAC's sign."""
    a, b, c = vectors
    m, n = np.cross(a, b), np.cross(b, c)
    axis = float(np.linalg.norm(b))
    value = float(np.arctan2(axis * (a @ n), m @ n))
    first, last = axis * m / (m @ m), axis * n / (n @ n)
    return value, np.stack([first, -(a @ b * first + b @ c * last) / axis**2, last])


def _coordination(radius: float) -> Function:
    def function(vectors: Floats) -> tuple[float, Floats]:
        squares = np.einsum("ij,ij->i", vectors, vectors) / radius**2
        terms = 1 / (1 + squares**3)
        return float(terms.sum()), (-6 * terms**2 * squares**2 / radius**2)[:, None] * vectors

    return function


def _of_coordination(options: VariableOptions) -> tuple[list[tuple[int, int]], Function]:
    first, second = options.coordination or ((), ())
    return [(i, j) for i, j in product(first, second) if i != j], _coordination(options.radius or 1.0)


_CHOICES: dict[str, Callable[[VariableOptions], tuple[list[tuple[int, int]], Function]]] = {
    "distance": lambda o: (list(pairwise(o.indices)), _distance),
    "difference": lambda o: (list(pairwise(o.indices))[::2], _difference),
    "angle": lambda o: ([(o.indices[1], o.indices[0]), (o.indices[1], o.indices[2])], _angle),
    "dihedral": lambda o: (list(pairwise(o.indices)), _dihedral),
    "coordination": _of_coordination,
}
