"""Random placements: two fragments beside each other, and an atom between donor and acceptor."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.data import covalent_radii
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from pal_ase.fragments import fragments
from pal_ase.neighbours import pairs_within

__all__ = ["between", "direction", "end_of_transfer", "place_fragment", "two_fragments"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
_BOND = 1.3  # sums of covalent radii within which two atoms are bound


def two_fragments(atoms: Atoms) -> tuple[Ints, Ints]:
    """Atoms of the two molecules of a structure.

    Raises
    ------
    ValueError
        If there is another number of them.
    """
    member = fragments(len(atoms), pairs_within(atoms, _BOND), _BOND)
    if (count := int(member.max(initial=-1)) + 1) != 2:
        raise ValueError(f"{count} molecules, expected two")
    return np.flatnonzero(member == member[0]), np.flatnonzero(member != member[0])


def direction(rng: np.random.Generator) -> Floats:
    """A unit vector, uniform on the sphere."""
    arrow = rng.standard_normal(3)
    found: Floats = arrow / np.linalg.norm(arrow)
    return found


def place_fragment(
    positions: Floats, first: Ints, second: Ints, distance: float, rng: np.random.Generator
) -> Floats | None:
    """Put the second fragment, turned at random, in a random direction beside the first one.

    Its centre lies on a ray from the first one's centre, as far out as brings the nearest atoms of both to `distance`
    (Å); all orientations and directions are equally likely.

    Returns
    -------
    ndarray, shape (atoms, 3), or None
        None if the second one would pass through a hole of the first without coming so near.
    """
    ray = direction(rng)
    centre = positions[first].mean(axis=0)
    own = positions[second] - positions[second].mean(axis=0)
    turned = own @ Rotation.random(random_state=rng).as_matrix().T
    # |r + t ray| = distance for every pair; the largest t is where the first contact is on the way in.
    arms = (turned[:, None] - (positions[first] - centre)[None]).reshape(-1, 3)
    along = arms @ ray
    inside = along**2 - np.einsum("ij,ij->i", arms, arms) + distance**2
    meets = inside >= 0
    if not meets.any():
        return None
    moved: Floats = positions.copy()
    moved[second] = centre + (np.sqrt(inside[meets]) - along[meets]).max() * ray + turned
    return moved


def end_of_transfer(positions: Floats, numbers: NDArray[np.integer], atoms: tuple[int, ...]) -> Floats:
    """Where the hydrogen (or other) atom is bound to the acceptor, on the side from which it comes; in Å."""
    _, moving, acceptor = atoms
    arm = positions[moving] - positions[acceptor]
    length = covalent_radii[numbers[moving]] + covalent_radii[numbers[acceptor]]
    found: Floats = positions[acceptor] + length * arm / np.linalg.norm(arm)
    return found


def between(start: Floats, end: Floats, rng: np.random.Generator) -> Floats:
    """A point in the sphere whose poles are `start` and `end`: uniform in its distance from the centre."""
    point: Floats = (start + end) / 2 + rng.random() * np.linalg.norm(end - start) / 2 * direction(rng)
    return point
