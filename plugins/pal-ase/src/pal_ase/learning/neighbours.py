"""Pairs within a cutoff, each once, for many samples at a time; free, periodic or in between."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["half_pairs", "ranges"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
Pairs = tuple[Ints, Ints, Floats]

_SMALL = 64
"""Atoms in a free molecule up to which comparing all pairs beats sorting atoms into cells."""


def half_pairs(positions: Floats, offsets: Ints, cells: Floats, pbc: NDArray[np.bool_], cutoff: float) -> Pairs:
    """Every pair of atoms, or of an atom and a periodic image, closer than the cutoff.

    Parameters
    ----------
    positions : ndarray of float64, shape (atoms, 3)
        Of all samples, one after the other, Å.
    offsets : ndarray of int64, shape (n + 1,)
        Sample k owns the atoms ``offsets[k]:offsets[k + 1]``.
    cells : ndarray of float64, shape (n, 3, 3)
        Cell vectors as rows, Å.
    pbc : ndarray of bool, shape (n, 3)
        Periodic along each cell vector.
    cutoff : float
        Å.

    Returns
    -------
    first, second : ndarray of int64, shape (pairs,)
        Atoms, sorted by sample. A pair stands for both directions; an atom may pair with its own images.
    vectors : ndarray of float64, shape (pairs, 3)
        From the first atom to the second, or to its image, Å.

    Raises
    ------
    ValueError
        If a cell has no volume although it is periodic.
    """
    sizes = np.diff(offsets)
    free = (~pbc.any(axis=1) & (sizes <= _SMALL)) | (sizes == 0)
    parts = [_all_pairs(positions, offsets, np.flatnonzero(free), cutoff)]
    if not free.all():
        parts.append(_cell_pairs(positions, offsets, cells, pbc, cutoff=cutoff, samples=np.flatnonzero(~free)))
    first, second, vectors = (np.concatenate(columns) for columns in zip(*parts, strict=True))
    if (np.diff(first) >= 0).all():
        return first, second, vectors
    order = np.argsort(first, kind="stable")
    return first[order], second[order], vectors[order]


def ranges(starts: Ints, counts: Ints) -> Ints:
    """``start, start + 1, …`` of every start, `counts` numbers each, one after the other."""
    ends = np.cumsum(counts)
    return np.repeat(starts - ends + counts, counts) + np.arange(ends[-1] if len(ends) else 0)


@lru_cache(maxsize=_SMALL + 1)
def _triangle(size: int) -> tuple[Ints, Ints]:
    first, second = np.triu_indices(size, 1)
    return first.astype(np.int64), second.astype(np.int64)


def _all_pairs(positions: Floats, offsets: Ints, samples: Ints, cutoff: float) -> Pairs:
    """Compare all atoms of small free molecules, those of equal size together."""
    sizes = np.diff(offsets)[samples]
    firsts, seconds = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for size in np.unique(sizes):
        starts = offsets[samples[sizes == size], None]
        first, second = _triangle(int(size))
        firsts.append((starts + first).ravel())
        seconds.append((starts + second).ravel())
    return _near(positions, positions, np.concatenate(firsts), np.concatenate(seconds), cutoff)


def _near(atoms: Floats, points: Floats, first: Ints, second: Ints, cutoff: float) -> Pairs:
    vectors = points[second] - atoms[first]
    near = np.einsum("px,px->p", vectors, vectors) < cutoff**2
    if near.all():
        return first, second, vectors
    return first[near], second[near], vectors[near]


def _cell_pairs(
    positions: Floats, offsets: Ints, cells: Floats, pbc: NDArray[np.bool_], *, cutoff: float, samples: Ints
) -> Pairs:
    """Sort atoms and images into cubes as wide as the cutoff and compare neighbouring cubes."""
    counts = np.diff(offsets)[samples]
    atoms = ranges(offsets[samples], counts)
    owner = np.repeat(np.arange(len(samples)), counts)
    inside, images, parent = _images(positions[atoms], owner, _full_cells(cells, pbc, samples), pbc[samples], cutoff)
    points = np.concatenate([inside, images])
    source = np.concatenate([np.arange(len(atoms)), parent])
    first, point = _cube_pairs(points, owner[source], len(atoms), cutoff)
    # Of two atoms in the cell each sees the other; images come on one side of the cell only.
    once = (point >= len(atoms)) | (point > first)
    first, point, vectors = _near(inside, points, first[once], point[once], cutoff)
    return atoms[first], atoms[source[point]], vectors


def _full_cells(cells: Floats, pbc: NDArray[np.bool_], samples: Ints) -> Floats:
    """Cells with unit vectors at right angles in place of missing, non-periodic vectors."""
    out: Floats = cells[samples].copy()
    for k, (cell, periodic) in enumerate(zip(out, pbc[samples], strict=True)):
        missing = ~periodic & (np.linalg.norm(cell, axis=1) < 1e-8)
        if missing.any():
            # Right singular vectors of zero weight span what the given vectors leave out.
            cell[missing] = np.linalg.svd(np.where(missing[:, None], 0, cell))[2][3 - missing.sum() :]
        if abs(np.linalg.det(cell)) < 1e-6:
            raise ValueError(
                f"sample {samples[k]} is periodic, but its cell has no volume: {cells[samples[k]].tolist()}"
            )
    return out


def _images(
    positions: Floats, owner: Ints, cells: Floats, pbc: NDArray[np.bool_], cutoff: float
) -> tuple[Floats, Floats, Ints]:
    """Wrapped positions, the images within the cutoff of the cell on one side of it, and whose images they are."""
    inverse = np.linalg.inv(cells)
    fraction = np.einsum("ax,axk->ak", positions, inverse[owner])
    fraction -= np.where(pbc[owner], np.floor(fraction), 0.0)
    inside = np.einsum("ak,akx->ax", fraction, cells[owner])
    reach = np.where(pbc, cutoff * np.linalg.norm(inverse, axis=1), 0.0)  # in cell vectors
    steps = np.ceil(reach).astype(np.int64)
    # Shifts are numbered with (0, 0, 0) in the middle; those after it are the half that is kept.
    half = np.prod(2 * steps + 1, axis=1) // 2
    parent = np.repeat(np.arange(len(owner)), half[owner])
    number = ranges(half[owner] + 1, half[owner])
    width = (2 * steps + 1)[owner[parent]]
    shift = np.stack(
        [number // (width[:, 1] * width[:, 2]), number // width[:, 2] % width[:, 1], number % width[:, 2]], 1
    )
    shift -= steps[owner[parent]]
    moved = fraction[parent] + shift
    margin = reach[owner[parent]]
    kept = ((moved >= -margin) & (moved <= 1 + margin) | ~pbc[owner[parent]]).all(axis=1)
    images = inside[parent[kept]] + np.einsum("ak,akx->ax", shift[kept].astype(float), cells[owner[parent[kept]]])
    return inside, images, parent[kept]


def _cube_pairs(points: Floats, owner: Ints, atoms: int, cutoff: float) -> tuple[Ints, Ints]:
    """Each of the first `atoms` points with every point in its own cube and the 26 around it."""
    cube = np.floor((points - points.min(axis=0)) / cutoff).astype(np.int64) + 1
    width = cube.max(axis=0) + 2
    key = ((owner * width[0] + cube[:, 0]) * width[1] + cube[:, 1]) * width[2] + cube[:, 2]
    order = np.argsort(key, kind="stable")
    ordered = key[order]
    firsts, seconds = [], []
    for dx in (-1, 0, 1):
        for dy in (-1, 0, 1):
            # Three cubes along z have successive keys.
            centre = key[:atoms] + (dx * width[1] + dy) * width[2]
            start = np.searchsorted(ordered, centre - 1, "left")
            count = np.searchsorted(ordered, centre + 1, "right") - start
            firsts.append(np.repeat(np.arange(atoms), count))
            seconds.append(order[ranges(start, count)])
    return np.concatenate(firsts), np.concatenate(seconds)
