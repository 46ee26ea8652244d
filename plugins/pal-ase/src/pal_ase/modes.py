"""Random displacements of harmonic oscillators along the normal modes of a structure."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from numpy.typing import NDArray

from pal_ase.vibrations import HBAR, free_atoms, vibrations

__all__ = ["NormalModes"]

Floats = NDArray[np.float64]


class NormalModes:
    """Normal modes without translations and rotations, as of `pal_ase.vibrations.vibrations`, to draw from.

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

    Raises
    ------
    PalError
        For other constraints than `FixAtoms`.
    """

    def __init__(self, atoms: Atoms, hessian: Floats, lowest: float) -> None:
        free = free_atoms(atoms)
        rows = (3 * free[:, None] + np.arange(3)).ravel()
        modes = vibrations(atoms, hessian[np.ix_(rows, rows)])
        self.energies: Floats = modes.frequencies * units.invcm
        self._used = np.maximum(self.energies, lowest * units.invcm)
        self._rows, self._size = rows, 3 * len(atoms)
        # Displacements by normal coordinates of length one, Å.
        self._moves = modes.vectors / np.repeat(np.sqrt(atoms.get_masses()[free]), 3)

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
        found = np.zeros(self._size)
        found[self._rows] = amplitudes @ self._moves
        return found.reshape(-1, 3)
