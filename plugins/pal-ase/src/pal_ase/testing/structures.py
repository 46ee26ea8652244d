"""Structures of hydrogen, carbon and oxygen, and their labels by ASE's EMT."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

import numpy as np
from ase import Atoms
from ase.build import bulk, molecule
from ase.calculators.emt import EMT
from ase.calculators.singlepoint import SinglePointCalculator
from pal_core.data import Batch

from pal_ase.codec import atoms_to_batch
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["charged", "diamond", "frames", "rattled"]

_KINDS = ("H2O", "CH3CH2OH", "CO2")


def rattled(name: str, seed: int = 0, width: float = 0.08) -> Atoms:
    """A molecule of ASE's collection, out of its symmetric shape; `width` in Å."""
    return _shaken(molecule(name), seed, width)


def diamond(seed: int = 0, width: float = 0.08, cubic: bool = True) -> Atoms:
    """The cubic cell of diamond with eight atoms, or the primitive one with two; both smaller than usual cutoffs."""
    return _shaken(bulk("C", "diamond", a=3.6, cubic=cubic), seed, width)


def _shaken(atoms: Atoms, seed: int, width: float) -> Atoms:
    atoms.positions += np.random.default_rng(seed).normal(0, width, atoms.positions.shape)
    return atoms


@cache
def _labelled(count: int, seed: int) -> tuple[Atoms, ...]:
    """Molecules and, every fourth, a crystal."""
    images = []
    for k in range(count):
        atoms = diamond(seed + k) if k % 4 == 3 else rattled(_KINDS[k % 3], seed + k)
        atoms.calc = EMT()
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        results["stress"] = atoms.get_stress() if atoms.pbc.all() else np.zeros(6)
        atoms.calc = SinglePointCalculator(atoms, **results)
        images.append(atoms)
    return tuple(images)


def frames(count: int, seed: int = 0, stress: bool = False) -> Batch:
    """Labelled samples of three molecules and diamond."""
    images: Sequence[Atoms] = _labelled(count, seed)
    return atoms_to_batch(images, SAMPLE | label_schema(stress))


def charged(batch: Batch) -> Batch:
    """Labelled samples, a third each with the charges -1, 0 and 1.

    A charge q changes the energy surface E of a neutral sample to (1 + 0.1 q) E + 4 eV q; ions are doublets.
    """
    charge = np.arange(len(batch)) // 4 % 3 - 1  # every charge has all four kinds
    columns = {**batch.columns, "charge": charge.astype(np.int32), "multiplicity": (1 + charge**2).astype(np.int32)}
    assert batch.offsets is not None  # noqa: S101 - the schema is ragged
    for name in [n for n in ("energy", "forces", "stress") if n in columns]:
        mine = np.repeat(charge, np.diff(batch.offsets)) if name == "forces" else charge
        columns[name] = columns[name] * (1 + 0.1 * mine).reshape(-1, *[1] * (columns[name].ndim - 1))
    columns["energy"] = columns["energy"] + 4.0 * charge
    return Batch(batch.schema, columns, batch.offsets)
