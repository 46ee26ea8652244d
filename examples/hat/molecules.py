"""Structures from nothing: small molecules put together from ASE's collection, and guesses of transition states.

Only geometry, no energies: what comes out is good enough to begin an optimisation with.
"""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.data import covalent_radii
from numpy.typing import NDArray

__all__ = ["bonded", "encounter", "folded", "grown", "hydrogens", "radical"]

Vector = NDArray[np.float64]


def bonded(atoms: Atoms) -> NDArray[np.bool_]:
    """Which atoms are bonded, by distance: shape (atoms, atoms)."""
    radii = covalent_radii[atoms.numbers]
    near = atoms.get_all_distances() < 1.25 * (radii[:, None] + radii[None, :])
    np.fill_diagonal(near, val=False)
    return near


def hydrogens(atoms: Atoms, carrier: int) -> list[int]:
    """Hydrogen atoms on an atom."""
    return [int(k) for k in np.flatnonzero(bonded(atoms)[carrier] & (atoms.numbers == 1))]


def radical(atoms: Atoms, carrier: int) -> Atoms:
    """Without one hydrogen of an atom. The other atoms keep their order."""
    left = atoms.copy()
    del left[hydrogens(atoms, carrier)[0]]
    return left


def grown(atoms: Atoms, carrier: int, group: str, root: int = 0) -> Atoms:
    """Replace a hydrogen of `carrier` by a group: a molecule of ASE's collection without a hydrogen of `root`.

    The group is turned about the new bond to where it has most room. Hydrogens are numbered last, other atoms keep
    their order and those of the group follow.
    """
    other = molecule(group)
    lost, gone = hydrogens(atoms, carrier)[0], hydrogens(other, root)[0]
    axis = _unit(atoms.positions[lost] - atoms.positions[carrier])
    length = covalent_radii[atoms.numbers[carrier]] + covalent_radii[other.numbers[root]]
    _face(other, root, gone, axis, atoms.positions[carrier] + length * axis)
    best = _roomiest(_without(atoms, lost), _without(other, gone), axis, atoms.positions[carrier])
    whole = _without(atoms, lost) + best
    return whole[np.argsort(whole.numbers == 1, kind="stable")]


def encounter(first: Atoms, donor: int, second: Atoms, acceptor: int, lengths: tuple[float, float]) -> Atoms:
    """A guess of donor-H-acceptor in a line: the two whole molecules share the hydrogen.

    Parameters
    ----------
    first, second : Atoms
        Whole molecules; the second loses a hydrogen of `acceptor`.
    donor, acceptor : int
        The atoms that share the hydrogen.
    lengths : (float, float)
        Distances donor-H and H-acceptor in Å.

    Returns
    -------
    Atoms
        First molecule, then the second. ``info["transfer"]`` is donor, hydrogen, acceptor.
    """
    hydrogen, gone = hydrogens(first, donor)[0], hydrogens(second, acceptor)[0]
    start = first.copy()
    axis = _unit(start.positions[hydrogen] - start.positions[donor])
    start.positions[hydrogen] = start.positions[donor] + lengths[0] * axis
    other = second.copy()
    _face(other, acceptor, gone, axis, start.positions[hydrogen] + lengths[1] * axis)
    both = start + _roomiest(start, _without(other, gone), axis, start.positions[hydrogen])
    both.info["transfer"] = [donor, hydrogen, len(start) + acceptor - int(gone < acceptor)]
    return both


def folded(atoms: Atoms, donor: int, acceptor: int, rng: np.random.Generator, tries: int = 4000) -> Atoms:
    """A guess of a transfer within one molecule: its single bonds turned until a hydrogen comes near the acceptor.

    The acceptor has lost a hydrogen already, its atoms are numbered as in `atoms`.
    """
    bonds = _turnable(atoms)
    best, least = atoms, np.inf
    for _ in range(tries):
        trial = atoms.copy()
        for i, j, moving in bonds:
            _turn(trial, i, j, moving, rng.uniform(-np.pi, np.pi))
        cost, hydrogen = _closeness(trial, donor, acceptor)
        if cost < least:
            best, least = trial, cost
            best.info["transfer"] = [donor, hydrogen, acceptor]
    return best


def _closeness(atoms: Atoms, donor: int, acceptor: int) -> tuple[float, int]:
    """How far a hydrogen is from 1.6 Å before the acceptor, plus what other atoms that aren't bonded are too close."""
    distances = atoms.get_all_distances()
    hydrogen = min(hydrogens(atoms, donor), key=lambda h: distances[h, acceptor])
    radii = covalent_radii[atoms.numbers]
    near = bonded(atoms)
    apart = ~(near | (near @ near))
    apart[[donor, hydrogen, acceptor], :] = apart[:, [donor, hydrogen, acceptor]] = False
    lacking = np.clip(1.9 * (radii[:, None] + radii[None, :]) + 0.3 - distances, 0, None)[apart]
    return abs(distances[hydrogen, acceptor] - 1.6) + 0.5 * float((lacking**2).sum()), hydrogen


def _turnable(atoms: Atoms) -> list[tuple[int, int, NDArray[np.int64]]]:
    """Bonds between heavy atoms with the atoms on their second side; bonds in rings are left out."""
    near = bonded(atoms)
    found = []
    for i, j in zip(*np.nonzero(np.triu(near)), strict=True):
        side, new = {int(j)}, [int(j)]
        while new:
            new = [int(k) for m in new for k in np.flatnonzero(near[m]) if (m, k) != (j, i) and k not in side]
            side.update(new)
        if int(i) not in side and min(near[i].sum(), near[j].sum()) > 1:
            found.append((int(i), int(j), np.array(sorted(side))))
    return found


def _turn(atoms: Atoms, i: int, j: int, moving: NDArray[np.int64], angle: float) -> None:
    origin = atoms.positions[i]
    turn = _rotation(_unit(atoms.positions[j] - origin), angle)
    atoms.positions[moving] = origin + (atoms.positions[moving] - origin) @ turn.T


def _roomiest(fixed: Atoms, other: Atoms, axis: Vector, origin: Vector) -> Atoms:
    """`other` turned about an axis so that its atoms are as far as can be from the fixed ones."""
    rest = other.positions - origin
    turned = [origin + rest @ _rotation(axis, a).T for a in np.radians(np.arange(0, 360, 10))]
    room = [(np.linalg.norm(fixed.positions[:, None] - p[None], axis=2) ** -4).sum() for p in turned]
    best = other.copy()
    best.positions = turned[int(np.argmin(room))]
    return best


def _face(atoms: Atoms, root: int, gone: int, axis: Vector, place: Vector) -> None:
    """Move `root` to a place and turn its bond to `gone` against an axis."""
    own = _unit(atoms.positions[gone] - atoms.positions[root])
    atoms.positions = place + (atoms.positions - atoms.positions[root]) @ _onto(own, -axis).T


def _without(atoms: Atoms, k: int) -> Atoms:
    left = atoms.copy()
    del left[k]
    return left


def _unit(v: Vector) -> Vector:
    return np.asarray(v / np.linalg.norm(v))


def _onto(a: Vector, b: Vector) -> Vector:
    """Rotation matrix that turns the unit vector a onto b."""
    axis = np.cross(a, b)
    if np.linalg.norm(axis) < 1e-8:
        across = np.cross(a, np.eye(3)[np.argmin(np.abs(a))])
        return np.eye(3) if a @ b > 0 else _rotation(_unit(across), np.pi)
    return _rotation(_unit(axis), float(np.arctan2(np.linalg.norm(axis), a @ b)))


def _rotation(axis: Vector, angle: float) -> Vector:
    """Rodrigues' rotation matrix about a unit vector."""
    x, y, z = axis
    k = np.array([[0, -z, y], [z, 0, -x], [-y, x, 0]])
    return np.eye(3) + np.sin(angle) * k + (1 - np.cos(angle)) * k @ k
