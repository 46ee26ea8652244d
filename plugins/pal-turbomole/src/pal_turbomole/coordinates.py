"""Geometries as Turbomole has them, and its coord file."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Sample

from pal_ase.elements import SYMBOLS
from pal_turbomole.units import BOHR

__all__ = ["Geometry"]


@dataclass(frozen=True)
class Geometry:
    """A molecule in Turbomole's units.

    Parameters
    ----------
    elements : tuple of str
        In lower case.
    positions : ndarray of float64, shape (atoms, 3)
        As the coord file has them, with 14 decimals [bohr].
    """

    elements: tuple[str, ...]
    positions: NDArray[np.float64]

    @classmethod
    def of(cls, sample: Sample) -> Geometry:
        """That of a sample."""
        elements = tuple(SYMBOLS[int(z)].lower() for z in np.asarray(sample["numbers"]))
        return cls(elements, np.round(np.asarray(sample["positions"], np.float64) / BOHR, 14))

    def coord_text(self) -> str:
        """A coord file."""
        rows = [
            "".join(f"{x:22.14f}" for x in place) + f"      {element}"
            for element, place in zip(self.elements, self.positions.tolist(), strict=True)
        ]
        return "\n".join(["$coord", *rows, "$end", ""])
