"""Minima and transition states on any surface, found alike on the oracle and on a committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.optimize import BFGS
from numpy.typing import NDArray

__all__ = ["Found", "Surface", "hessian", "imaginary", "relaxed", "saddle"]

Array = NDArray[np.float64]
Surface = Callable[[list[Atoms]], list[tuple[float, Array]]]
"""Energies [eV] and forces [eV/Å] of structures."""

DIFFERENCE = 0.01  # Å, of finite differences
STIFFNESS = 30.0  # eV/Å², of the springs that hold distances
_AWAY = 1e3  # eV/Å², moves translations and rotations out of the way
_WAVENUMBER = 521.471  # 1/cm in sqrt(eV/Å²/u)


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
    converged : bool
    """

    atoms: Atoms
    energy: float
    force: float
    converged: bool


def relaxed(
    surface: Surface,
    atoms: Atoms,
    *,
    springs: Sequence[tuple[int, int, float]] = (),
    fmax: float = 0.002,
    steps: int = 300,
) -> Found:
    """Nearest minimum by ASE's BFGS; springs hold two atoms at a distance in Å and don't count in the energy."""
    place = Atoms(atoms.numbers, atoms.positions, info=dict(atoms.info))
    place.calc = _OnSurface(surface, springs)
    converged = bool(BFGS(place, logfile=None, maxstep=0.1).run(fmax=fmax, steps=steps))
    force = _largest(place.get_forces())
    energy = float(place.calc.bare)
    place.calc = None
    return Found(place, energy, force, converged)


def saddle(
    surface: Surface, atoms: Atoms, *, fmax: float = 0.002, steps: int = 200, longest: float = 0.15, renew: int = 15
) -> Found:
    """Nearest transition state: uphill along the Hessian's lowest eigenvector, downhill along all others.

    Rational function steps (A. Banerjee et al., J. Phys. Chem. 89, 52, 1985) on a full Hessian, computed at the start
    and every `renew` steps, and updated between (J. M. Bofill, J. Comput. Chem. 15, 1, 1994).

    Parameters
    ----------
    fmax : float
        Largest force on an atom at the end, eV/Å.
    longest : float
        Longest step of all atoms together, Å.
    """
    place = Atoms(atoms.numbers, atoms.positions, info=dict(atoms.info))
    energy, forces = surface([place])[0]
    matrix = hessian(surface, place)
    for k in range(steps):
        if _largest(forces) < fmax:
            break
        step = _step(matrix, -forces.ravel(), _free(place))
        step *= min(1.0, longest / np.linalg.norm(step))
        place.positions += step.reshape(-1, 3)
        old, (energy, forces) = forces, surface([place])[0]
        matrix = hessian(surface, place) if k % renew == renew - 1 else _updated(matrix, step, (old - forces).ravel())
    return Found(place, energy, _largest(forces), _largest(forces) < fmax)


def hessian(surface: Surface, atoms: Atoms) -> Array:
    """Second derivatives by central differences of forces, symmetric, shape (3 atoms, 3 atoms), eV/Å²."""
    moved = []
    for k in range(3 * len(atoms)):
        for sign in (DIFFERENCE, -DIFFERENCE):
            image = atoms.copy()
            image.positions[k // 3, k % 3] += sign
            moved.append(image)
    forces = np.array([f.ravel() for _, f in surface(moved)])
    rows = (forces[1::2] - forces[0::2]) / (2 * DIFFERENCE)
    return np.asarray((rows + rows.T) / 2)


def imaginary(surface: Surface, atoms: Atoms, least: float = 50.0) -> list[float]:
    """Wavenumbers in 1/cm of the imaginary modes, largest first; those below `least` are noise of soft turns."""
    masses = np.repeat(atoms.get_masses(), 3)
    free = _free(atoms)
    weighted = free @ hessian(surface, atoms) @ free / np.sqrt(masses[:, None] * masses[None, :])
    waves = _WAVENUMBER * np.sqrt(np.clip(-np.linalg.eigvalsh(weighted), 0, None))
    return [round(float(w), 1) for w in waves if w > least]


class _OnSurface(Calculator):
    """ASE's view of a surface, with springs between atoms."""

    implemented_properties = ("energy", "forces")

    def __init__(self, surface: Surface, springs: Sequence[tuple[int, int, float]]) -> None:
        super().__init__()
        self._surface, self._springs = surface, springs
        self.bare = float("nan")

    def calculate(self, atoms=None, properties=("energy",), system_changes=all_changes) -> None:
        super().calculate(atoms, properties, system_changes)
        self.bare, forces = self._surface([self.atoms])[0]
        energy, forces = self.bare, forces.copy()
        for i, j, length in self._springs:
            vector = self.atoms.positions[j] - self.atoms.positions[i]
            distance = float(np.linalg.norm(vector))
            energy += STIFFNESS / 2 * (distance - length) ** 2
            pull = STIFFNESS * (distance - length) * vector / distance
            forces[i] += pull
            forces[j] -= pull
        self.results = {"energy": energy, "forces": forces}


def _largest(forces: Array) -> float:
    return float(np.linalg.norm(forces, axis=1).max())


def _step(matrix: Array, gradient: Array, free: Array) -> Array:
    projected = free @ matrix @ free + _AWAY * (np.eye(len(free)) - free)
    values, vectors = np.linalg.eigh(projected)
    slope = vectors.T @ (free @ gradient)
    up, down = _moves(values[:1], slope[:1], -1), _moves(values[1:], slope[1:], 0)
    return np.asarray(free @ (vectors @ np.concatenate([up, down])))


def _moves(values: Array, slope: Array, which: int) -> Array:
    """Steps along eigenvectors: all uphill with the highest eigenvalue (-1) of the rational function's matrix, all
    downhill with the lowest (0).
    """
    bordered = np.diag(np.append(values, 0.0))
    bordered[-1, :-1] = bordered[:-1, -1] = slope
    shift = np.linalg.eigvalsh(bordered)[which]
    steep = np.abs(slope) > 1e-9  # others stay, by symmetry
    return np.asarray(np.where(steep, -slope, 0.0) / np.where(steep, values - shift, 1.0))


def _updated(matrix: Array, step: Array, change: Array) -> Array:
    miss, length = change - matrix @ step, float(step @ step)
    along = float(miss @ step)
    share = along**2 / max(float(miss @ miss) * length, 1e-30)
    rank_one = np.outer(miss, miss) / along if abs(along) > 1e-12 else np.zeros_like(matrix)
    powell = (np.outer(miss, step) + np.outer(step, miss)) / length - along * np.outer(step, step) / length**2
    return np.asarray(matrix + share * rank_one + (1 - share) * powell)


def _free(atoms: Atoms) -> Array:
    """Projector onto displacements without translation and rotation of the whole."""
    centred = atoms.positions - atoms.positions.mean(axis=0)
    shifts = [np.tile(e, (len(atoms), 1)).ravel() for e in np.eye(3)]
    turns = [np.cross(e, centred).ravel() for e in np.eye(3)]
    basis, sizes, _ = np.linalg.svd(np.array([*shifts, *turns]).T, full_matrices=False)
    whole = basis[:, sizes > 1e-6 * sizes[0]]
    return np.asarray(np.eye(3 * len(atoms)) - whole @ whole.T)
