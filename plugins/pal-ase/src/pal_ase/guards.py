"""Geometries that no walker should propose: atoms on top of each other, torn apart, or too hot."""

from __future__ import annotations

from typing import Any

import numpy as np
from ase import Atoms, units
from ase.data import chemical_symbols
from numpy.typing import NDArray

from pal_ase.fragments import fragments, room_of_links
from pal_ase.neighbours import MARGIN, Pairs, lowest_height, pairs_within

__all__ = ["Guards", "kinetic_temperature"]

Floats = NDArray[np.float64]
_BONDED = 1.3  # sums of covalent radii within which nearly every atom has a neighbour
_FLAT = 0.5  # Å between faces below which a cell is no cell, and would have more images than memory holds


def kinetic_temperature(atoms: Atoms) -> float:
    """Twice the kinetic energy per degree of freedom and Boltzmann constant, in K; 0 without momenta."""
    momenta = atoms.arrays.get("momenta")
    if momenta is None:
        return 0.0
    twice = float(np.einsum("ij,ij,i->", momenta, momenta, 1 / atoms.get_masses()))
    return float(twice / (max(_degrees_of_freedom(atoms), 1) * units.kB))


def _degrees_of_freedom(atoms: Atoms) -> int:
    return 3 * len(atoms) - sum(int(c.get_removed_dof(atoms)) for c in atoms.constraints)


class Guards:
    """Judges geometries; costs microseconds as long as atoms stay near where they were last looked at.

    Parameters
    ----------
    closest, isolated : float
        Limits for the distance to the nearest atom in sums of covalent radii; 0 for no limit.
    spread : float
        Limit for the distance from the geometric centre, in radii of the start structure; 0 for no limit.
        Ignored with periodic boundaries.
    hot : float
        Limit for the kinetic temperature in K; 0 for no limit.
    start : Atoms
        Start structure.
    connected : float
        Limit for the distance of the nearest atoms of two fragments in sums of covalent radii; 0 for no limit.

    Notes
    -----
    A full look computes all distances and with them how far atoms may move before any limit can be reached (every
    distance changes by twice the largest displacement at most). Within that, nothing but displacements is computed;
    the verdict is the same as that of a full look.
    """

    def __init__(
        self, closest: float, isolated: float, spread: float, hot: float, start: Atoms, *, connected: float = 0.0
    ) -> None:
        self.closest = closest
        self.isolated = isolated
        self.connected = connected
        self.hot = hot
        # Half an Å keeps atoms and diatomics, whose radius is small or zero, from being confined.
        self._reach = spread * max(_radius(start.positions), 0.5) if spread and not start.pbc.any() else np.inf
        self._numbers: NDArray[np.integer[Any]] = np.empty(0, int)
        self._seen: Floats = np.empty((0, 3))
        self._cell: Floats = np.empty((3, 3))
        self._free = -1.0  # Å that atoms may move from `_seen`

    def judge(self, atoms: Atoms) -> str | None:
        """What is wrong with the geometry, or None."""
        if self.hot and (found := kinetic_temperature(atoms)) > self.hot:
            return f"too hot: kinetic temperature {found:.0f} K, limit {self.hot:g} K"
        if self._near(atoms):
            return None
        if not np.isfinite(atoms.positions).all():
            return "positions are not finite"
        return self._look(atoms)

    def _near(self, atoms: Atoms) -> bool:
        if len(atoms) != len(self._seen) or not np.array_equal(atoms.numbers, self._numbers):
            return False
        moved = atoms.positions - self._seen
        farthest = float(np.einsum("ij,ij->i", moved, moved).max(initial=0.0))
        # Written so that NaN is not near.
        return farthest < self._free**2 and self._free > 0 and np.array_equal(atoms.cell.array, self._cell)

    def _look(self, atoms: Atoms) -> str | None:
        self._free = -1.0
        radius = _radius(atoms.positions)
        if radius > self._reach:
            return f"exploded: an atom is {radius:.2f} Å from the centre, limit {self._reach:.2f} Å"
        if (height := lowest_height(atoms)) < _FLAT:
            return f"cell collapsed: opposite faces are {height:.2g} Å apart"
        # Most atoms have a neighbour close by. The long list is made only when one has not.
        pairs = pairs_within(atoms, max(self.closest, min(_BONDED, self.isolated), self.connected))
        problem = self._too_close(atoms, pairs)
        if problem is None and self._alone(atoms, pairs):
            pairs = pairs_within(atoms, self.isolated)
            problem = self._alone(atoms, pairs)
        room = np.inf
        if problem is None and self.connected:
            room = room_of_links(len(atoms), pairs, self.connected)
            problem = self._apart(atoms, pairs) if room < 0 else None
        if problem is None:
            self._remember(atoms, min(self._slack(len(atoms), pairs), room, self._reach - radius) / 2)
        return problem

    def _too_close(self, atoms: Atoms, pairs: Pairs) -> str | None:
        if not len(pairs.distance):
            return None
        k = int(np.argmin(pairs.distance / pairs.sums))
        limit = self.closest * pairs.sums[k]
        if pairs.distance[k] >= limit:
            return None
        names = [_name(atoms, atom) for atom in sorted((pairs.i[k], pairs.j[k]))]
        return f"atoms too close: {' and '.join(names)} are {pairs.distance[k]:.2f} Å apart, limit {limit:.2f} Å"

    def _alone(self, atoms: Atoms, pairs: Pairs) -> str | None:
        if not self.isolated or len(atoms) < 2:
            return None
        nearest = np.full(len(atoms), np.inf)
        np.minimum.at(nearest, pairs.i, pairs.distance / pairs.sums)
        k = int(np.argmax(nearest))
        if nearest[k] <= self.isolated:
            return None
        return (
            f"exploded: {_name(atoms, k)} has no neighbour within {self.isolated:g} times the sum of the covalent radii"
        )

    def _apart(self, atoms: Atoms, pairs: Pairs) -> str:
        members = fragments(len(atoms), pairs, self.connected)
        names = " and ".join(str(atoms.symbols[members == k]) for k in range(members.max() + 1))
        return (
            f"fell apart into {names}, further from each other than {self.connected:g} times the sum of the covalent "
            "radii"
        )

    def _slack(self, n: int, pairs: Pairs) -> float:
        """Å by which every distance may change before a limit of distances is reached."""
        slack = np.inf
        if self.closest:
            slack = min(float((pairs.distance - self.closest * pairs.sums).min(initial=np.inf)), MARGIN)
        if self.isolated and n > 1:
            bound = np.full(n, -np.inf)
            np.maximum.at(bound, pairs.i, self.isolated * pairs.sums - pairs.distance)
            slack = min(slack, float(bound.min()))
        return slack

    def _remember(self, atoms: Atoms, free: float) -> None:
        self._numbers, self._seen = atoms.numbers.copy(), atoms.positions.copy()
        self._cell, self._free = np.array(atoms.cell.array), free


def _radius(positions: Floats) -> float:
    if not len(positions):
        return 0.0
    arm = positions - positions.mean(axis=0)
    return float(np.sqrt(np.einsum("ij,ij->i", arm, arm).max()))


def _name(atoms: Atoms, k: int) -> str:
    return f"{chemical_symbols[atoms.numbers[k]]}{k}"
