"""Second derivatives from differences of forces, and the vibrations that follow from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms, units
from ase.constraints import FixAtoms
from numpy.typing import NDArray
from pal_core.errors import PalError

__all__ = [
    "HBAR",
    "WAVENUMBER",
    "Modes",
    "displacements",
    "free_atoms",
    "hessian",
    "rigid_motions",
    "second_derivatives",
    "vibrations",
]

Floats = NDArray[np.float64]
HBAR = float(units._hbar * 1e10 / np.sqrt(units._e * units._amu))
"""Reduced Planck constant in Å (eV u)^(1/2): times the root of a curvature in eV/(Å² u) it is an energy in eV."""
WAVENUMBER = HBAR / units.invcm
"""The wavenumber in cm^-1 of a force constant of 1 eV/Å² and a mass of 1 u."""


@dataclass(frozen=True)
class Modes:
    """Normal modes without motions of the whole.

    Parameters
    ----------
    frequencies : ndarray, shape (n,)
        In cm^-1, rising; imaginary ones are negative.
    vectors : ndarray, shape (n, 3 * free atoms)
        Of mass-weighted displacements, orthonormal.
    """

    frequencies: Floats
    vectors: Floats

    def imaginary(self, threshold: float) -> int:
        """How many frequencies are imaginary and beyond the threshold (cm^-1)."""
        return int((self.frequencies < -threshold).sum())


def free_atoms(atoms: Atoms) -> NDArray[np.int64]:
    """Indices of the atoms that aren't fixed.

    Raises
    ------
    PalError
        For other constraints than `FixAtoms`.
    """
    fixed: set[int] = set()
    for constraint in atoms.constraints:
        if not isinstance(constraint, FixAtoms):
            kind = type(constraint).__name__
            raise PalError(f"second derivatives allow for the constraint FixAtoms only, found {kind}", "take it out")
        fixed.update(int(i) for i in constraint.index)
    return np.array([i for i in range(len(atoms)) if i not in fixed], np.int64)


def displacements(atoms: Atoms, moving: Iterable[int], step: float) -> list[Atoms]:
    """Copies with each coordinate of the atoms `moving` larger and smaller by `step` (Å), in this order."""
    images = []
    for i in moving:
        for axis in range(3):
            for sign in (1.0, -1.0):
                image = atoms.copy()
                image.positions[i, axis] += sign * step
                images.append(image)
    return images


def second_derivatives(forces: Sequence[Floats], step: float) -> Floats:
    """Of the energy in eV/Å², symmetric, from the forces (eV/Å) on the moving atoms at all `displacements`."""
    flat = np.stack([np.asarray(f, np.float64).ravel() for f in forces])
    second = (flat[1::2] - flat[0::2]) / (2 * step)
    symmetric: Floats = (second + second.T) / 2
    return symmetric


def hessian(atoms: Atoms, step: float) -> Floats:
    """Second derivatives of the committee's mean by central differences, all displacements in one turn.

    Parameters
    ----------
    atoms : Atoms
        With an `InsideOutCalculator`, which has the results for this geometry afterwards.
    step : float
        Displacement in Å.

    Returns
    -------
    ndarray, shape (3 * free atoms, 3 * free atoms)
        Second derivatives of the energy in eV/Å², symmetric.
    """
    free = free_atoms(atoms)
    found = atoms.calc.prefetch([atoms], displacements(atoms, free, step))
    return second_derivatives([f.mean["forces"][free] for f in found], step)


def rigid_motions(atoms: Atoms, masses: Floats) -> Floats:
    """Motions of the whole that cost no energy, as displacements weighted by the square roots of `masses`.

    Parameters
    ----------
    atoms : Atoms
    masses : ndarray, shape (free atoms,)
        Ones for displacements that aren't weighted.

    Returns
    -------
    ndarray, shape (k, 3 * free atoms)
        Orthonormal. Six for a molecule, five for a linear one, the three translations of a periodic system, none if
        atoms are fixed.
    """
    free = free_atoms(atoms)
    if len(free) < len(atoms):
        return np.empty((0, 3 * len(free)))
    weights = np.sqrt(masses)[:, None]
    moves = [weights * axis for axis in np.eye(3)]
    if not atoms.pbc.any():
        arm = atoms.positions - np.average(atoms.positions, axis=0, weights=masses)
        moves += [weights * np.cross(axis, arm) for axis in np.eye(3)]
    _, sizes, vectors = np.linalg.svd(np.array([move.ravel() for move in moves]), full_matrices=False)
    rigid: Floats = vectors[sizes > 1e-3 * sizes[0]]
    return rigid


def vibrations(atoms: Atoms, second: Floats) -> Modes:
    """Normal modes from second derivatives (eV/Å²) of the free atoms.

    Translations and rotations are projected out: E. B. Wilson, J. C. Decius, P. C. Cross, Molecular Vibrations (1955).
    """
    masses = atoms.get_masses()[free_atoms(atoms)]
    weights = np.repeat(1 / np.sqrt(masses), 3)
    rigid = rigid_motions(atoms, masses)
    inner = _complement(rigid)
    values, vectors = np.linalg.eigh(inner @ (second * np.outer(weights, weights)) @ inner.T)
    return Modes(np.sign(values) * np.sqrt(np.abs(values)) * WAVENUMBER, vectors.T @ inner)


def _complement(rigid: Floats) -> Floats:
    """Orthonormal vectors orthogonal to all of `rigid`, as rows."""
    size = rigid.shape[1]
    if not len(rigid):
        return np.eye(size)
    _, _, vectors = np.linalg.svd(rigid, full_matrices=True)
    inner: Floats = vectors[len(rigid) :]
    return inner
