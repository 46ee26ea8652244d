"""Molecules of the tests [Å]."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["FORMALDEHYDE", "WATER", "Sample", "build", "moved"]

Sample = dict[str, np.ndarray]


def build(numbers: Any, positions: Any, charge: int = 0, multiplicity: int = 1) -> Sample:
    """A molecule as a sample of pal-ase's schema."""
    return {
        "numbers": np.asarray(numbers, np.int32),
        "positions": np.asarray(positions, np.float64).reshape(-1, 3),
        "cell": np.zeros((3, 3)),
        "pbc": np.zeros(3, bool),
        "charge": np.asarray(charge, np.int32),
        "multiplicity": np.asarray(multiplicity, np.int32),
    }


def moved(sample: Sample, atom: int, axis: int, shift: float) -> Sample:
    """The sample with one coordinate changed by `shift` [Å]."""
    positions = sample["positions"].copy()
    positions[atom, axis] += shift
    return {**sample, "positions": positions}


# No symmetry, so that nothing vanishes by chance.
WATER = build([8, 1, 1], [[0, 0, 0.119], [0, 0.763, -0.477], [0.1, -0.763, -0.45]])
FORMALDEHYDE = build([6, 8, 1, 1], [[0, 0, -0.529], [0, 0, 0.676], [0.05, 0.935, -1.12], [0, -0.935, -1.1]])
