"""Samples and members for the tests: from ASE's structures, labelled by ASE's calculators."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import numpy as np
from ase import Atoms
from ase.build import molecule
from ase.calculators.morse import MorsePotential
from ase.calculators.singlepoint import SinglePointCalculator
from pal_core.data import Batch
from pal_core.kernels import Context
from tiny import TinyModel, TinyOptions

from pal_ase.codec import atoms_to_batch
from pal_ase.schema import SAMPLE, label_schema


def batch_of(*images: Atoms) -> Batch:
    return atoms_to_batch(images)


def labelled(images: Sequence[Atoms], calculator: Any, stress: bool = False, offset: float = 0.0) -> Batch:
    """Samples with the calculator's labels; `offset` is added to the energy of every atom."""
    for atoms in images:
        atoms.calc = calculator
        results = {"energy": atoms.get_potential_energy(), "forces": atoms.get_forces()}
        if stress:
            results["stress"] = atoms.get_stress()
        atoms.calc = SinglePointCalculator(atoms, **results)
    batch = atoms_to_batch(images, SAMPLE | label_schema(stress))
    batch.columns["energy"] += offset * np.diff(batch.offsets)
    return batch


def rattled(atoms: Atoms, count: int, seed: int = 0, width: float = 0.1) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    images = []
    for _ in range(count):
        image = atoms.copy()
        image.positions += rng.normal(0, width, image.positions.shape)
        images.append(image)
    return images


def clusters(count: int, seed: int = 0, offset: float = 0.0) -> Batch:
    """Argon-like clusters of 4 and 5 atoms under a Morse potential."""
    square = Atoms("Ar4", [[0, 0, 0], [1.3, 0, 0], [0, 1.3, 0], [0, 0, 1.3]])
    both = [
        *rattled(square, count // 2, seed),
        *rattled(square + Atoms("Ar", [[1.3, 1.3, 0]]), -(-count // 2), seed + 1),
    ]
    order = np.random.default_rng(seed).permutation(len(both))
    return labelled([both[k] for k in order], MorsePotential(epsilon=0.5, r0=1.2, rho0=4.0), offset=offset)


def molecules(*names: str, seed: int = 0) -> list[Atoms]:
    rng = np.random.default_rng(seed)
    images = [molecule(name) for name in names]
    for atoms in images:
        atoms.positions += rng.normal(0, 0.1, atoms.positions.shape)
    return images


def member(index: int = 0, role: str = "training", seed: int = 3, **options: Any) -> TinyModel:
    return TinyModel(TinyOptions(**options), Context(role, index, seed))


def train(model: TinyModel, epochs: int) -> list[Any]:
    iterator = model.train()
    out = list(islice(iterator, epochs))
    iterator.close()
    return out


def held_out(batch: Batch, every: int = 5) -> np.ndarray:
    return np.arange(len(batch)) % every == every - 1


def error(model: TinyModel, batch: Batch) -> float:
    """Mean absolute error of the force components, eV/Å."""
    return float(np.abs(model.predict(batch).columns["forces"] - batch.columns["forces"]).mean())
