"""Minima and transition states on any surface, found alike on the oracle and on a committee.

Eigenvector following with a rational function step (A. Banerjee et al., J. Phys. Chem. 89, 52, 1985) on a full Hessian:
all eigenvectors go down, for a transition state the lowest goes up. The Hessian is computed at the start and every few
steps, and updated between (J. M. Bofill, J. Comput. Chem. 15, 1, 1994).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from numpy.typing import NDArray

__all__ = ["Found", "Surface", "hessian", "imaginary", "restrained", "stationary"]

Array = NDArray[np.float64]
Surface = Callable[[list[Atoms]], list[tuple[float, Array]]]
"""Energies [eV] and forces [eV/Å] of structures."""

STEP = 0.01  # Å, of finite differences
_SHIFT = 1e3  # eV/Å², moves translations and rotations out of the way


@dataclass(frozen=True)
class Found:
    """Where a search has ended.

    Parameters
    ----------
    atoms : Atoms
    energy : float
        eV.
    force : float
        Largest force on an atom, eV/Å.
    steps : int
    converged : bool
    """

    atoms: Atoms
    energy: float
    force: float
    steps: int
    converged: bool


def hessian(surface: Surface, atoms: Atoms) -> Array:
    """Second derivatives by central differences of forces, symmetric, shape (3 atoms, 3 atoms), eV/Å²."""
    moved = []
    for k in range(3 * len(atoms)):
        for sign in (STEP, -STEP):
            image = atoms.copy()
            image.positions.flat[k] += sign
            moved.append(image)
    forces = np.array([f.ravel() for _, f in surface(moved)])
    rows = (forces[1::2] - forces[0::2]) / (2 * STEP)
    return np.asarray((rows + rows.T) / 2)


def imaginary(surface: Surface, atoms: Atoms, least: float = 100.0) -> list[float]:
    """Wavenumbers in 1/cm of imaginary modes, largest first; those below `least` are soft turns and noise."""
    masses = np.repeat(atoms.get_masses(), 3)
    free = _free(atoms)
    matrix = free @ hessian(surface, atoms) @ free / np.sqrt(masses[:, None] * masses[None, :])
    values = np.linalg.eigvalsh(matrix)
    # sqrt(eV/Å²/u) in 1/cm
    waves = np.sqrt(np.clip(-values, 0, None)) * 521.471
    return [round(float(w), 1) for w in waves if w > least]


def stationary(
    surface: Surface,
    atoms: Atoms,
    order: int = 0,
    *,
    fmax: float = 0.002,
    steps: int = 200,
    longest: float = 0.15,
    renew: int = 10,
) -> Found:
    """Nearest minimum (`order` 0) or transition state (1).

    Parameters
    ----------
    fmax : float
        Largest force at the end, eV/Å.
    longest : float
        Longest step of all atoms together, Å.
    renew : int
        Steps between two Hessians.
    """
    place = atoms.copy()
    energy, forces = surface([place])[0]
    matrix = hessian(surface, place)
    for k in range(steps):
        largest = float(np.linalg.norm(forces, axis=1).max())
        if largest < fmax:
            return Found(place, energy, largest, k, converged=True)
        step = _step(matrix, -forces.ravel(), _free(place), order)
        step *= min(1.0, longest / np.linalg.norm(step))
        new = place.copy()
        new.positions += step.reshape(-1, 3)
        old, (energy, forces) = forces, surface([new])[0]
        place = new
        if k % renew == renew - 1:
            matrix = hessian(surface, place)
        else:
            matrix = _updated(matrix, step, (old - forces).ravel())
    return Found(place, energy, float(np.linalg.norm(forces, axis=1).max()), steps, converged=False)


def restrained(surface: Surface, pairs: list[tuple[int, int]], lengths: list[float], stiffness: float = 30.0) -> Surface:
    """A surface with springs (eV/Å²) that hold distances between atoms."""

    def held(images: list[Atoms]) -> list[tuple[float, Array]]:
        return [_pulled(image, e, f) for image, (e, f) in zip(images, surface(images), strict=True)]

    def _pulled(image: Atoms, energy: float, forces: Array) -> tuple[float, Array]:
        forces = forces.copy()
        for (i, j), length in zip(pairs, lengths, strict=True):
            vector = image.positions[j] - image.positions[i]
            distance = float(np.linalg.norm(vector))
            energy += stiffness / 2 * (distance - length) ** 2
            pull = stiffness * (distance - length) * vector / distance
            forces[i] += pull
            forces[j] -= pull
        return energy, forces

    return held


def _step(matrix: Array, gradient: Array, free: Array, order: int) -> Array:
    projected = free @ matrix @ free + _SHIFT * (np.eye(len(free)) - free)
    values, vectors = np.linalg.eigh(projected)
    slope = vectors.T @ (free @ gradient)
    up, down = slice(0, order), slice(order, None)
    move = np.empty_like(slope)
    if order:
        move[up] = _moves(values[up], slope[up], highest=True)
    move[down] = _moves(values[down], slope[down], highest=False)
    return np.asarray(free @ (vectors @ move))


def _moves(values: Array, slope: Array, *, highest: bool) -> Array:
    """Steps along eigenvectors, all uphill or all downhill: an eigenvalue of the rational function's matrix does it."""
    bordered = np.diag(np.append(values, 0.0))
    bordered[-1, :-1] = bordered[:-1, -1] = slope
    shift = np.linalg.eigvalsh(bordered)[-1 if highest else 0]
    steep = np.abs(slope) > 1e-9  # others stay, by symmetry
    return np.asarray(np.where(steep, -slope, 0.0) / np.where(steep, values - shift, 1.0))


def _updated(matrix: Array, step: Array, change: Array) -> Array:
    miss = change - matrix @ step
    share = (miss @ step) ** 2 / max(float((miss @ miss) * (step @ step)), 1e-30)
    rank_one = np.outer(miss, miss) / (miss @ step) if abs(miss @ step) > 1e-12 else 0.0
    length = step @ step
    powell = (np.outer(miss, step) + np.outer(step, miss)) / length - (miss @ step) * np.outer(step, step) / length**2
    return np.asarray(matrix + share * rank_one + (1 - share) * powell)


def _free(atoms: Atoms) -> Array:
    """Projector onto displacements without translation and rotation of the whole."""
    centred = atoms.positions - atoms.positions.mean(axis=0)
    shifts = [np.tile(e, (len(atoms), 1)).ravel() for e in np.eye(3)]
    turns = [np.cross(e, centred).ravel() for e in np.eye(3)]
    u, s, _ = np.linalg.svd(np.array([*shifts, *turns]).T, full_matrices=False)
    whole = u[:, s > 1e-6 * s[0]]
    return np.asarray(np.eye(3 * len(atoms)) - whole @ whole.T)
