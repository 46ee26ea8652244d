"""Reference energies of elements (fitted to data, of isolated atoms, or from a table) and of total charges (fitted)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.elements import ELEMENTS, SYMBOLS

__all__ = [
    "charge_energies",
    "charge_states",
    "composition",
    "fit_references",
    "isolated_energies",
    "missing_elements",
    "reference_energies",
    "table_energies",
]

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


def composition(numbers: Ints, offsets: Ints) -> Floats:
    """How many atoms of each element every sample has.

    Parameters
    ----------
    numbers : ndarray of int64, shape (atoms,)
        Atomic numbers of all samples, one after the other.
    offsets : ndarray of int64, shape (n + 1,)
        Sample k owns the atoms ``offsets[k]:offsets[k + 1]``.

    Returns
    -------
    ndarray of float64, shape (n, 119)
    """
    counts = np.zeros((len(offsets) - 1, ELEMENTS))
    np.add.at(counts, (np.repeat(np.arange(len(offsets) - 1), np.diff(offsets)), numbers), 1.0)
    return counts


def charge_states(charge: Ints, largest: int) -> Floats:
    """Which total charge every sample has, as `composition` says which elements.

    Parameters
    ----------
    charge : ndarray of int64, shape (n,)
        e; larger ones than the largest count as that.
    largest : int
        Of either sign.

    Returns
    -------
    ndarray of float64, shape (n, 2 largest + 1)
        The neutral state, in the middle, has no energy of its own: its column is zero.
    """
    columns: Floats = np.eye(2 * largest + 1)
    columns[largest] = 0.0
    return columns[np.clip(charge, -largest, largest) + largest]


def fit_references(counts: Floats, energies: Floats, weights: Floats) -> Floats:
    """Energies of elements and charges that explain total energies best, in the sense of weighted least squares.

    Where the samples leave something open (one molecule only; CO and CO2 without a third; cations only), the solution
    of least norm is taken: totals of the compositions seen are right, their division means nothing.

    Parameters
    ----------
    counts : ndarray of float64, shape (n, k)
        How often each of k things occurs in each sample: `composition`, `charge_states`.
    energies : ndarray of float64, shape (n,)
        eV.
    weights : ndarray of float64, shape (n,)
        Of the squared residuals.

    Returns
    -------
    ndarray of float64, shape (k,)
        eV; zero for what doesn't occur.
    """
    present = np.flatnonzero(counts.any(axis=0))
    root = np.sqrt(weights)[:, None]
    out = np.zeros(counts.shape[1])
    out[present] = np.linalg.lstsq(counts[:, present] * root, energies * root[:, 0], rcond=1e-10)[0]
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


def charge_energies(references: Floats, charge: Ints) -> Floats:
    """Energies of the samples' total charges.

    Parameters
    ----------
    references : ndarray of float64, shape (2 largest + 1,)
        eV, from the most negative charge to the most positive one.
    charge : ndarray of int64, shape (n,)
        e; larger ones than the largest count as that, and their network says that it doesn't know them.
    """
    largest = len(references) // 2
    out: Floats = references[np.clip(charge, -largest, largest) + largest]
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
