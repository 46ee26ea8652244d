"""Twelve reactions of small molecules, reactant and product with the same atoms in the same order.

Geometries are built from bond lengths, angles and dihedrals of textbooks; they only have to lie in the right valleys.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["REACTIONS", "Reaction"]

Row = tuple[str | int | float, ...]
"""Symbol; then atom and distance (Å), atom and angle (degrees), atom and dihedral (degrees)."""


@dataclass(frozen=True)
class Reaction:
    """A reaction by name."""

    name: str
    reactant: tuple[Row, ...]
    product: tuple[Row, ...]
    multiplicity: int = 1

    @property
    def ends(self) -> tuple[Atoms, Atoms]:
        ends = built(self.reactant), built(self.product)
        for atoms in ends:
            atoms.info |= {"charge": 0, "multiplicity": self.multiplicity}
        return ends


def built(rows: tuple[Row, ...]) -> Atoms:
    """Atoms from internal coordinates."""
    places: list[NDArray[np.float64]] = []
    for row in rows:
        places.append(_place(places, row))
    return Atoms([str(row[0]) for row in rows], np.array(places))


def _place(places: list[NDArray[np.float64]], row: Row) -> NDArray[np.float64]:
    if len(places) == 0:
        return np.zeros(3)
    origin = places[int(row[1])]
    if len(places) == 1:
        return origin + np.array([0.0, 0.0, float(row[2])])
    angle = np.radians(float(row[4]))
    axis = _unit(places[int(row[3])] - origin)
    other = places[int(row[5])] - places[int(row[3])] if len(places) > 2 else np.array([1.0, 0.0, 0.0])
    dihedral = np.radians(float(row[6])) if len(places) > 2 else 0.0
    across = other - (other @ axis) * axis
    across = _unit(across) if np.linalg.norm(across) > 1e-6 else _unit(np.cross(axis, [0.3, 0.9, 0.4]))
    out = np.cross(axis, across)
    turned = np.cos(dihedral) * across + np.sin(dihedral) * out
    return origin + float(row[2]) * (np.cos(angle) * axis + np.sin(angle) * turned)


def _unit(v: NDArray[np.float64]) -> NDArray[np.float64]:
    return v / np.linalg.norm(v)


REACTIONS = (
    Reaction(
        "HCN -> HNC",
        (("C",), ("N", 0, 1.16), ("H", 0, 1.07, 1, 178)),
        (("C",), ("N", 0, 1.17), ("H", 1, 1.00, 0, 178)),
    ),
    Reaction(
        "H2CO -> H2 + CO",
        (("C",), ("O", 0, 1.20), ("H", 0, 1.11, 1, 121), ("H", 0, 1.11, 1, 121, 2, 180)),
        (("C",), ("O", 0, 1.13), ("H", 0, 3.0, 1, 150), ("H", 2, 0.75, 0, 110, 1, 180)),
    ),
    Reaction(
        "H2CO -> trans-HCOH",
        (("C",), ("O", 0, 1.20), ("H", 0, 1.11, 1, 121), ("H", 0, 1.11, 1, 121, 2, 180)),
        (("C",), ("O", 0, 1.31), ("H", 0, 1.11, 1, 102), ("H", 1, 0.97, 0, 108, 2, 180)),
    ),
    Reaction(
        "trans-HCOH -> cis-HCOH",
        (("C",), ("O", 0, 1.31), ("H", 0, 1.11, 1, 102), ("H", 1, 0.97, 0, 108, 2, 175)),
        (("C",), ("O", 0, 1.31), ("H", 0, 1.11, 1, 106), ("H", 1, 0.97, 0, 114, 2, 5)),
    ),
    Reaction(
        "CH3O -> CH2OH",
        (
            ("C",),
            ("O", 0, 1.37),
            ("H", 0, 1.10, 1, 109),
            ("H", 0, 1.10, 1, 109, 2, 120),
            ("H", 0, 1.10, 1, 109, 2, -120),
        ),
        (
            ("C",),
            ("O", 0, 1.36),
            ("H", 1, 0.96, 0, 109),
            ("H", 0, 1.08, 1, 118, 2, 160),
            ("H", 0, 1.08, 1, 113, 2, -25),
        ),
        multiplicity=2,
    ),
    Reaction(
        "vinyl alcohol -> acetaldehyde",
        (
            ("C",),
            ("C", 0, 1.33),
            ("O", 1, 1.36, 0, 127),
            ("H", 2, 0.96, 1, 109, 0, 0),
            ("H", 1, 1.08, 0, 122, 2, 180),
            ("H", 0, 1.08, 1, 122, 2, 0),
            ("H", 0, 1.08, 1, 120, 2, 180),
        ),
        (
            ("C",),
            ("C", 0, 1.50),
            ("O", 1, 1.21, 0, 124),
            ("H", 0, 1.09, 1, 110, 2, 0),
            ("H", 1, 1.11, 0, 115, 2, 180),
            ("H", 0, 1.09, 1, 110, 2, 120),
            ("H", 0, 1.09, 1, 110, 2, -120),
        ),
    ),
    Reaction(
        "CH3NC -> CH3CN",
        (
            ("C",),
            ("N", 0, 1.42),
            ("C", 1, 1.17, 0, 178),
            ("H", 0, 1.09, 1, 110, 2, 0),
            ("H", 0, 1.09, 1, 110, 2, 120),
            ("H", 0, 1.09, 1, 110, 2, -120),
        ),
        (
            ("C",),
            ("N", 0, 2.61),
            ("C", 0, 1.46, 1, 1),
            ("H", 0, 1.09, 2, 110, 1, 0),
            ("H", 0, 1.09, 2, 110, 1, 120),
            ("H", 0, 1.09, 2, 110, 1, -120),
        ),
    ),
    Reaction(
        "trans-HONO -> cis-HONO",
        (("O",), ("N", 0, 1.43), ("O", 1, 1.17, 0, 111), ("H", 0, 0.96, 1, 102, 2, 175)),
        (("O",), ("N", 0, 1.39), ("O", 1, 1.19, 0, 114), ("H", 0, 0.98, 1, 104, 2, 5)),
    ),
    Reaction(
        "formamide -> formimidic acid",
        (
            ("C",),
            ("O", 0, 1.21),
            ("N", 0, 1.36, 1, 125),
            ("H", 2, 1.00, 0, 119, 1, 0),
            ("H", 2, 1.00, 0, 121, 1, 180),
            ("H", 0, 1.10, 1, 123, 2, 180),
        ),
        (
            ("C",),
            ("O", 0, 1.35),
            ("N", 0, 1.27, 1, 122),
            ("H", 1, 0.97, 0, 106, 2, 0),
            ("H", 2, 1.02, 0, 110, 1, 180),
            ("H", 0, 1.09, 1, 111, 2, 180),
        ),
    ),
    Reaction(
        "malonaldehyde, proton transfer",
        (
            ("C",),
            ("C", 0, 1.36),
            ("C", 0, 1.44, 1, 120),
            ("O", 1, 1.32, 0, 124, 2, 0),
            ("O", 2, 1.24, 0, 124, 1, 0),
            ("H", 3, 0.99, 1, 106, 0, 0),
            ("H", 0, 1.08, 1, 120, 2, 180),
            ("H", 1, 1.09, 0, 122, 2, 180),
            ("H", 2, 1.10, 0, 118, 1, 180),
        ),
        (
            ("C",),
            ("C", 0, 1.44),
            ("C", 0, 1.36, 1, 120),
            ("O", 1, 1.24, 0, 124, 2, 0),
            ("O", 2, 1.32, 0, 124, 1, 0),
            ("H", 4, 0.99, 2, 106, 0, 0),
            ("H", 0, 1.08, 1, 120, 2, 180),
            ("H", 1, 1.10, 0, 118, 2, 180),
            ("H", 2, 1.09, 0, 122, 1, 180),
        ),
    ),
    Reaction(
        "formic acid, Z -> E",
        (
            ("C",),
            ("O", 0, 1.20),
            ("O", 0, 1.34, 1, 125),
            ("H", 2, 0.97, 0, 107, 1, 5),
            ("H", 0, 1.10, 1, 124, 2, 180),
        ),
        (
            ("C",),
            ("O", 0, 1.19),
            ("O", 0, 1.35, 1, 122),
            ("H", 2, 0.97, 0, 110, 1, 175),
            ("H", 0, 1.10, 1, 124, 2, 180),
        ),
    ),
    Reaction(
        "CH4 + CH3 -> CH3 + CH4",
        (
            ("C",),
            ("H", 0, 1.09),
            ("C", 1, 2.3, 0, 178),
            ("H", 0, 1.09, 1, 109.5, 2, 0),
            ("H", 0, 1.09, 1, 109.5, 2, 120),
            ("H", 0, 1.09, 1, 109.5, 2, -120),
            ("H", 2, 1.08, 0, 92, 3, 60),
            ("H", 2, 1.08, 0, 92, 3, 180),
            ("H", 2, 1.08, 0, 92, 3, -60),
        ),
        (
            ("C",),
            ("H", 0, 2.3),
            ("C", 1, 1.09, 0, 178),
            ("H", 0, 1.08, 1, 92, 2, 0),
            ("H", 0, 1.08, 1, 92, 2, 120),
            ("H", 0, 1.08, 1, 92, 2, -120),
            ("H", 2, 1.09, 0, 109.5, 3, 60),
            ("H", 2, 1.09, 0, 109.5, 3, 180),
            ("H", 2, 1.09, 0, 109.5, 3, -60),
        ),
        multiplicity=2,
    ),
)
