"""Random displacements of harmonic oscillators along the normal modes of a structure."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.constraints import FixAtoms
from numpy.typing import NDArray

__all__ = ["HBAR", "NormalModes"]

Floats = NDArray[np.float64]
HBAR = float(units._hbar * 1e10 / np.sqrt(units._e * units._amu))
"""Reduced Planck constant in Å (eV u)^(1/2): times the root of a curvature in eV/(Å² u) it is an energy in eV."""
_RANK = 1e-6  # of the largest singular value: below it a rotation moves nothing, as about the axis of a linear molecule


class NormalModes:
    """Normal modes without translations and rotations.

    Parameters
    ----------
    atoms : Atoms
        Fixed atoms (`FixAtoms`) don't move; then, nothing is taken out.
    hessian : ndarray, shape (3N, 3N)
        In eV/Å².
    lowest : float
        Wave number in 1/cm that softer modes are taken to have.

    Attributes
    ----------
    energies : ndarray, shape (modes,)
        ħω in eV, rising; negative for modes of negative curvature. As they are, not as `lowest` makes them.
    """

    def __init__(self, atoms: Atoms, hessian: Floats, lowest: float) -> None:
        self._root = np.repeat(np.sqrt(atoms.get_masses()), 3)
        space = _vibrations(atoms, self._root)
        weighted = hessian / np.outer(self._root, self._root)
        curvatures, vectors = np.linalg.eigh(space.T @ weighted @ space)
        self.energies: Floats = HBAR * np.sign(curvatures) * np.sqrt(np.abs(curvatures))
        self._used = np.maximum(self.energies, lowest * units.invcm)
        self._vectors = space @ vectors

    def variances(self, temperature: float, quantum: bool) -> Floats:
        """Variances of the mass-weighted normal coordinates in Å² u, shape (modes,).

        ``kT / ω²``, or ``ħ / 2ω coth(ħω / 2kT)`` of a quantum oscillator (Landau and Lifshitz, Statistical Physics,
        § 30).
        """
        thermal = units.kB * temperature
        classical: Floats = HBAR**2 * thermal / self._used**2
        if not quantum:
            return classical
        half = self._used / (2 * thermal)
        classical *= half / np.tanh(half)
        return classical

    def draw(self, temperature: float, quantum: bool, rng: np.random.Generator) -> Floats:
        """A random displacement in Å, shape (atoms, 3)."""
        amplitudes = np.sqrt(self.variances(temperature, quantum)) * rng.standard_normal(len(self._used))
        found: Floats = (self._vectors @ amplitudes / self._root).reshape(-1, 3)
        return found


def _vibrations(atoms: Atoms, root: Floats) -> Floats:
    """Orthonormal mass-weighted directions that are neither translations nor rotations, nor move fixed atoms."""
    fixed = [i for c in atoms.constraints if isinstance(c, FixAtoms) for i in c.get_indices()]
    if fixed:
        free = np.setdiff1d(np.arange(len(atoms)), fixed)
        return np.eye(3 * len(atoms))[:, (3 * free[:, None] + np.arange(3)).ravel()]
    moves = [np.tile(axis, (len(atoms), 1)) for axis in np.eye(3)]
    if not atoms.pbc.any():
        arm = atoms.positions - atoms.get_center_of_mass()
        moves += [np.cross(axis, arm) for axis in np.eye(3)]
    rigid = np.stack([move.ravel() * root for move in moves], axis=1)
    vectors, sizes, _ = np.linalg.svd(rigid, full_matrices=True)
    return vectors[:, np.count_nonzero(sizes > _RANK * sizes[0]) :]
