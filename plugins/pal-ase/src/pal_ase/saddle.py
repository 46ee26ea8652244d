"""Searches for saddle points of the first order from a guess."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, Literal

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core.errors import PalError

from pal_ase.vibrations import free_atoms, hessian, rigid_motions

__all__ = ["Effort", "find_saddle", "follow_mode"]

Floats = NDArray[np.float64]
Method = Literal["eigenvector", "sella", "dimer"]
_SMALLEST = 0.05  # share of the longest move below which the trust radius doesn't shrink


@dataclass(frozen=True)
class Effort:
    """How far a search goes.

    Parameters
    ----------
    fmax : float
        Largest force on an atom at the saddle point, eV/Å.
    steps : int
        Largest number of steps.
    longest : float
        Longest move of an atom in a step, Å.
    displacement : float
        For differences of forces, Å.
    renew : int
        Steps after which second derivatives are computed anew; between, they follow from the forces.
    """

    fmax: float
    steps: int
    longest: float
    displacement: float
    renew: int = 1


def find_saddle(
    atoms: Atoms, method: Method, effort: Effort, along: Floats | None, rng: np.random.Generator
) -> Floats | None:
    """Move atoms to a saddle point.

    Parameters
    ----------
    atoms : Atoms
        With an `InsideOutCalculator`.
    method : {"eigenvector", "sella", "dimer"}
    effort : Effort
    along : ndarray, shape (atoms, 3), or None
        Direction of the reaction, of any length, if it is known.
    rng : Generator

    Returns
    -------
    ndarray, shape (3 * free atoms, 3 * free atoms), or None
        Second derivatives there, in eV/Å²; None if they haven't come to one.
    """
    if method == "eigenvector":
        return follow_mode(atoms, effort, along)
    there = _dimer(atoms, effort, along, rng) if method == "dimer" else _sella(atoms, effort)
    return hessian(atoms, effort.displacement) if there else None


def follow_mode(atoms: Atoms, effort: Effort, along: Floats | None = None) -> Floats | None:
    """Uphill along one mode, downhill along all others, with second derivatives.

    Partitioned rational functions: A. Banerjee et al., J. Phys. Chem. 89, 52 (1985). All displacements for the second
    derivatives are predicted in the turn of the geometry itself, so a step is one turn. Between two computations the
    second derivatives are updated: J. M. Bofill, J. Comput. Chem. 15, 1 (1994). Parameters as of `find_saddle`.
    """
    free = free_atoms(atoms)
    mode = None if along is None else np.asarray(along, np.float64)[free].ravel()
    radius, age, promised = effort.longest / 2, 0, 0.0
    before: tuple[float, Floats] | None = None
    step = second = np.empty(0)
    for _ in range(effort.steps):
        if age == 0:
            second = hessian(atoms, effort.displacement)
        energy, gradient = atoms.get_potential_energy(), -atoms.get_forces()[free].ravel()
        rigid = rigid_motions(atoms, np.ones(len(free)))
        gradient -= rigid.T @ (rigid @ gradient)
        if np.linalg.norm(gradient.reshape(-1, 3), axis=1).max() < effort.fmax:
            return hessian(atoms, effort.displacement) if age else second
        if before is not None:
            radius = _new_radius(radius, energy - before[0], promised, effort.longest)
            second = _updated(second, step, gradient - before[1]) if age else second
        step, mode = _rational_step(gradient, second, rigid, mode)
        step *= min(1.0, radius / np.linalg.norm(step.reshape(-1, 3), axis=1).max())
        before, promised = (energy, gradient), gradient @ step + step @ second @ step / 2
        atoms.positions[free] += step.reshape(-1, 3)
        age = (age + 1) % effort.renew
    return None


def _updated(second: Floats, step: Floats, change: Floats) -> Floats:
    """Second derivatives that agree with how the gradient has changed along a step: symmetric rank one and Powell's."""
    miss, length = change - second @ step, float(step @ step)
    along, size = float(miss @ step), float(miss @ miss)
    if size * length < 1e-24:
        return second
    share = along**2 / (size * length)
    rank_one = np.outer(miss, miss) / along if share > 1e-12 else 0.0
    powell = (np.outer(miss, step) + np.outer(step, miss)) / length - along * np.outer(step, step) / length**2
    return np.asarray(second + share * rank_one + (1 - share) * powell)


def _rational_step(gradient: Floats, second: Floats, rigid: Floats, mode: Floats | None) -> tuple[Floats, Floats]:
    """The step, and the mode that it climbs: the one most like `mode`, or the lowest."""
    keep = np.eye(len(gradient)) - rigid.T @ rigid
    values, vectors = np.linalg.eigh(keep @ second @ keep)
    inner = np.linalg.norm(rigid @ vectors, axis=0) < 0.5 if len(rigid) else np.ones(len(values), bool)
    values, vectors = values[inner], vectors[:, inner]
    up = 0 if mode is None else int(np.argmax(np.abs(mode @ vectors)))
    slopes = vectors.T @ gradient
    shift = _shift(values, slopes, up)
    # Far from the saddle a slope of almost nothing over a curvature of almost nothing is noise, not a direction.
    bottom = values - shift
    parts = np.where(np.abs(bottom) > 1e-8, -slopes / np.where(bottom == 0, 1.0, bottom), 0.0)
    return vectors @ parts, vectors[:, up]


def _shift(values: Floats, slopes: Floats, up: int) -> Floats:
    """What every curvature is lowered by: so that all modes but one go downhill, and that one goes up."""
    rest = np.arange(len(values)) != up
    shift = np.full(len(values), _lowest_root(values[rest], slopes[rest]))
    shift[up] = (values[up] + np.sqrt(values[up] ** 2 + 4 * slopes[up] ** 2)) / 2
    return shift


def _lowest_root(values: Floats, slopes: Floats) -> float:
    """Lowest eigenvalue of the augmented Hessian: at most 0 and below all curvatures."""
    size = len(values)
    augmented = np.zeros((size + 1, size + 1))
    augmented[np.arange(size), np.arange(size)] = values
    augmented[size, :size] = augmented[:size, size] = slopes
    return float(np.linalg.eigvalsh(augmented)[0])


def _new_radius(radius: float, found: float, promised: float, longest: float) -> float:
    ratio = found / promised if promised else 1.0
    if 0.5 < ratio < 1.5:
        radius *= 1.4
    elif not 0.0 < ratio < 2.0:
        radius *= 0.5
    return min(max(radius, _SMALLEST * longest), longest)


def _dimer(atoms: Atoms, effort: Effort, along: Floats | None, rng: np.random.Generator) -> bool:
    from ase.mep import DimerControl, MinModeAtoms, MinModeTranslate

    if along is None:
        along = rng.standard_normal((len(atoms), 3))
    moving = np.zeros(len(atoms), bool)
    moving[free_atoms(atoms)] = True
    direction = np.where(moving[:, None], along, 0.0)
    control = DimerControl(
        logfile=None, eigenmode_logfile=None, maximum_translation=effort.longest, mask=moving.tolist()
    )
    dimer = MinModeAtoms(atoms, control, eigenmodes=[direction / np.linalg.norm(direction)], random_seed=0)
    with MinModeTranslate(dimer, logfile=None) as optimiser:
        return bool(optimiser.run(fmax=effort.fmax, steps=effort.steps))


def _sella(atoms: Atoms, effort: Effort) -> bool:
    if find_spec("sella") is None:
        raise PalError('method = "sella" needs the package sella, which is not installed', "pip install pal-ase[ts]")
    from sella import Sella

    optimiser: Any = Sella(atoms, order=1, internal=not atoms.pbc.any() and not atoms.constraints, logfile=None)
    return bool(optimiser.run(fmax=effort.fmax, steps=effort.steps))
