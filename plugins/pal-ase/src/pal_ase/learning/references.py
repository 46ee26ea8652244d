"""Reference energies of the elements: fitted to data, of isolated atoms, or from a table."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.elements import ELEMENTS, SYMBOLS

__all__ = ["fit_references", "isolated_energies", "missing_elements", "reference_energies", "table_energies"]

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


def isolated_energies(known: Floats, batch: Batch) -> Floats:
    """Lowest energies of neutral single atoms.

    Parameters
    ----------
    known : ndarray of float64, shape (119,)
        What is known so far, eV; infinite for elements of which nothing is.
    batch : Batch
        Labelled samples, those with one atom among others. Where they hold no charge, all are neutral.

    Returns
    -------
    ndarray of float64, shape (119,)
    """
    assert batch.offsets is not None  # noqa: S101 - the schema is ragged
    single = np.diff(batch.offsets) == 1
    if "charge" in batch.columns:
        single &= batch.columns["charge"] == 0
    out: Floats = known.copy()
    np.minimum.at(out, batch.columns["numbers"][batch.offsets[:-1][single]], batch.columns["energy"][single])
    return out


def table_energies(table: Mapping[str, float]) -> Floats:
    """Energies of a table by symbol, as an array by atomic number; infinite for elements that it leaves out."""
    out = np.full(ELEMENTS, np.inf)
    for symbol, energy in table.items():
        out[SYMBOLS.index(symbol)] = energy
    return out


def missing_elements(energies: Floats, numbers: Ints) -> str:
    """Symbols of the elements among `numbers` whose energies are infinite; empty if there are none."""
    present = np.unique(numbers)
    return ", ".join(SYMBOLS[z] for z in present[~np.isfinite(energies[present])])
