"""Reference energies of the elements, fitted to data."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pal_schnet.parameters import ELEMENTS

__all__ = ["fit_references", "reference_energies"]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def fit_references(numbers: Ints, offsets: Ints, energies: Floats, weights: Floats) -> Floats:
    """Energies per element that explain total energies best, in the sense of weighted least squares.

    Where the compositions leave something open (one molecule only; CO and CO2 without a third), the solution of least
    norm is taken: totals of the compositions seen are right, their division among the elements means nothing.

    Parameters
    ----------
    numbers : ndarray of int64, shape (atoms,)
        Atomic numbers of all samples, one after the other.
    offsets : ndarray of int64, shape (n + 1,)
        Sample k owns the atoms ``offsets[k]:offsets[k + 1]``.
    energies : ndarray of float64, shape (n,)
        eV.
    weights : ndarray of float64, shape (n,)
        Of the squared residuals.

    Returns
    -------
    ndarray of float64, shape (119,)
        eV by atomic number; zero for elements that don't occur.
    """
    counts = np.zeros((len(energies), ELEMENTS))
    np.add.at(counts, (np.repeat(np.arange(len(energies)), np.diff(offsets)), numbers), 1.0)
    present = np.flatnonzero(counts.any(axis=0))
    root = np.sqrt(weights)[:, None]
    solution = np.linalg.lstsq(counts[:, present] * root, energies * root[:, 0], rcond=1e-10)[0]
    out = np.zeros(ELEMENTS)
    out[present] = solution
    return out


def reference_energies(references: Floats, numbers: Ints, offsets: Ints) -> Floats:
    """Sum of the references of each sample's atoms.

    Returns
    -------
    ndarray of float64, shape (n,)
        eV.
    """
    sample = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    out: Floats = np.bincount(sample, weights=references[numbers], minlength=len(offsets) - 1).astype(np.float64)
    return out
