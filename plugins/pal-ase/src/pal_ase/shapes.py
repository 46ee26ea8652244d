"""Random shapes of clusters, grown atom by atom from covalent radii."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

__all__ = ["grow"]

Floats = NDArray[np.float64]
Indices = NDArray[np.integer[Any]]
_CANDIDATES = {"compact": 40, "planar": 20, "linear": 1}
"""Places of which a new atom takes the one nearest to the centre."""
_BEND = np.deg2rad(30)  # largest angle between two bonds of a chain that follow each other
_ROUNDS = 200


def grow(
    numbers: Indices, shape: str, bonds: tuple[float, float], clearance: float, rng: np.random.Generator
) -> Floats:
    """Positions of a connected cluster about the origin, turned at random.

    Parameters
    ----------
    numbers : ndarray of int, shape (atoms,)
        Atomic numbers; elements are mixed at random.
    shape : str
        ``"compact"`` and ``"planar"``: every atom is bound to a random one before it, at that of several random places
        that is nearest to the centre of those; ``"linear"``: a bent chain.
    bonds : tuple of float
        Range of the distance to the atom that a new one is bound to, in sums of covalent radii.
    clearance : float
        Smallest distance of any two atoms, in sums of covalent radii.
    rng : Generator

    Returns
    -------
    ndarray, shape (atoms, 3)
        In Å.

    Raises
    ------
    ValueError
        If no place is found for an atom.
    """
    order = rng.permutation(len(numbers))
    radii = covalent_radii[np.asarray(numbers)[order]]
    placed = np.zeros((len(radii), 3))
    for k in range(1, len(radii)):
        placed[k] = _place(placed[:k], radii[: k + 1], shape, (bonds, clearance), rng)
    positions = np.empty_like(placed)
    positions[order] = placed - placed.mean(axis=0)
    turned: Floats = positions @ Rotation.random(random_state=rng).as_matrix().T
    return turned


def _place(
    placed: Floats,
    radii: Floats,
    shape: str,
    limits: tuple[tuple[float, float], float],
    rng: np.random.Generator,
) -> Floats:
    """Where the next atom goes; its radius is the last one."""
    bonds, clearance = limits
    centre, count = placed.mean(axis=0), _CANDIDATES[shape]
    for _ in range(_ROUNDS):
        partners, arrows = _STEPS[shape](placed, count, rng)
        lengths = rng.uniform(*bonds, size=count) * (radii[partners] + radii[-1])
        there = placed[partners] + lengths[:, None] * arrows
        gaps = np.linalg.norm(placed - there[:, None], axis=-1) / (radii[:-1] + radii[-1])
        off = np.where(gaps.min(axis=1) >= clearance, np.linalg.norm(there - centre, axis=1), np.inf)
        best = int(np.argmin(off))
        if off[best] < np.inf:
            found: Floats = there[best]
            return found
    raise ValueError(f"no place for atom {len(placed)} in {_ROUNDS * count} tries")


def _unit(arrows: Floats) -> Floats:
    found: Floats = arrows / np.linalg.norm(arrows, axis=-1, keepdims=True)
    return found


def _anywhere(placed: Floats, count: int, rng: np.random.Generator) -> tuple[Indices, Floats]:
    return rng.integers(len(placed), size=count), _unit(rng.standard_normal((count, 3)))


def _in_plane(placed: Floats, count: int, rng: np.random.Generator) -> tuple[Indices, Floats]:
    partners, arrows = rng.integers(len(placed), size=count), rng.standard_normal((count, 3))
    return partners, _unit(arrows * [1.0, 1.0, 0.0])


def _onward(placed: Floats, count: int, rng: np.random.Generator) -> tuple[Indices, Floats]:
    """From the end of the chain, within a cone about its last bond."""
    arrows = _unit(rng.standard_normal((count, 3)))
    if len(placed) > 1:
        ahead = _unit(placed[-1] - placed[-2])
        aside = _unit(np.cross(ahead, arrows))
        bend = rng.uniform(0, _BEND, size=(count, 1))
        arrows = np.cos(bend) * ahead + np.sin(bend) * aside
    return np.full(count, len(placed) - 1), arrows


Step = Callable[[Floats, int, np.random.Generator], tuple[Indices, Floats]]
_STEPS: dict[str, Step] = {"compact": _anywhere, "planar": _in_plane, "linear": _onward}
"""Atoms that candidates are bound to, and the directions from there."""
