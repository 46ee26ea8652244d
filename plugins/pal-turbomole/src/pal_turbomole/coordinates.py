"""Turbomole's coord file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Sample

from pal_ase.elements import SYMBOLS
from pal_turbomole.units import BOHR

__all__ = ["bohr", "coord_text", "symbols"]


def bohr(sample: Sample) -> NDArray[np.float64]:
    """Positions as the coord file has them [bohr], shape (atoms, 3): rounded to its 14 decimals."""
    positions: NDArray[np.float64] = np.asarray(sample["positions"], np.float64) / BOHR
    return np.round(positions, 14)


def symbols(numbers: NDArray[Any]) -> list[str]:
    """Turbomole's names of the elements, in lower case."""
    return [SYMBOLS[int(z)].lower() for z in numbers]


def coord_text(elements: Sequence[str], positions: NDArray[np.float64]) -> str:
    """A coord file.

    Parameters
    ----------
    elements : sequence of str
        Names in lower case.
    positions : ndarray of float64, shape (atoms, 3)
        [bohr]
    """
    rows = [
        "".join(f"{x:22.14f}" for x in p) + f"      {name}"
        for name, p in zip(elements, positions.tolist(), strict=True)
    ]
    return "\n".join(["$coord", *rows, "$end", ""])
