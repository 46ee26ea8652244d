"""Atoms to samples and batches, and back.

Charge and multiplicity are ``atoms.info["charge"]`` and ``atoms.info["multiplicity"]``. Labels are looked for under
``REF_`` keys (``REF_energy`` and ``REF_stress`` in `info`, ``REF_forces`` in `arrays`), then in the results of an
attached calculator.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from ase import Atoms
from ase.stress import voigt_6_to_full_3x3_stress
from numpy.typing import NDArray
from pal_core.data import Batch, Field, Schema
from pal_core.kernels import Sample

from pal_ase import world
from pal_ase.schema import SAMPLE

__all__ = [
    "atoms_to_batch",
    "atoms_to_sample",
    "batch_to_atoms",
    "label_of",
    "lowest_multiplicity",
    "sample_to_atoms",
]

Array = NDArray[Any]

world.use_serial_ase()


def lowest_multiplicity(numbers: NDArray[np.integer[Any]], charge: int) -> int:
    """1 for an even number of electrons, 2 for an odd one.

    Parameters
    ----------
    numbers : ndarray of int, shape (atoms,)
        Atomic numbers.
    charge : int
        Total charge in e.
    """
    return 1 + (int(numbers.sum()) - charge) % 2


def _multiplicity(atoms: Atoms, charge: int) -> int:
    info = atoms.info
    if "multiplicity" in info:
        return int(info["multiplicity"])
    lowest = lowest_multiplicity(atoms.numbers, charge)
    if "spin" not in info:
        return lowest
    # Some codes call 2S the spin, others 2S + 1. Only one of the two goes with the number of electrons.
    spin = int(info["spin"])
    return spin if (spin - lowest) % 2 == 0 else spin + 1


def atoms_to_sample(atoms: Atoms) -> dict[str, Array]:
    """The fields of `pal_ase.schema.SAMPLE`; copies, not views.

    Parameters
    ----------
    atoms : ase.Atoms
        Without ``info["charge"]`` neutral; without ``info["multiplicity"]`` and ``info["spin"]`` (2S or 2S + 1,
        whichever goes with the number of electrons) of the lowest multiplicity.
    """
    charge = int(atoms.info.get("charge", 0))
    return {
        "numbers": atoms.numbers.astype(np.int32),
        "positions": atoms.positions.copy(),
        "cell": np.array(atoms.cell.array, np.float64),
        "pbc": np.array(atoms.pbc, np.bool_),
        "charge": np.array(charge, np.int32),
        "multiplicity": np.array(_multiplicity(atoms, charge), np.int32),
    }


def sample_to_atoms(sample: Sample) -> Atoms:
    """Atoms with charge and multiplicity in `info`; copies, not views.

    Fields that the sample lacks are left at ASE's defaults; numbers and positions it must have.
    """
    atoms = Atoms(
        numbers=np.array(sample["numbers"]),
        positions=np.array(sample["positions"]),
        cell=np.array(sample["cell"]) if "cell" in sample else None,
        pbc=np.array(sample["pbc"]) if "pbc" in sample else None,
    )
    for key in ("charge", "multiplicity"):
        if key in sample:
            atoms.info[key] = int(sample[key])
    return atoms


def label_of(atoms: Atoms, field: Field) -> Array:
    """One field of the label that comes with the atoms.

    Returns
    -------
    ndarray
        Of the field's shape, in the field's unit. A stress of six numbers is taken to be in Voigt order.

    Raises
    ------
    KeyError
        If there is no such label.
    """
    key = f"REF_{field.name}"
    results = getattr(atoms.calc, "results", {})
    found = next((s[k] for s, k in ((atoms.info, key), (atoms.arrays, key), (results, field.name)) if k in s), None)
    if found is None:
        raise KeyError(f"no {key}, and no calculator result {field.name!r}")
    value = np.asarray(found, field.dtype)
    if field.inner == (3, 3) and not field.ragged and value.size == 6:
        value = voigt_6_to_full_3x3_stress(value.ravel())
    rows = (len(atoms),) if field.ragged else ()
    return value.reshape((*rows, *field.inner))


def atoms_to_batch(images: Iterable[Atoms], schema: Schema = SAMPLE) -> Batch:
    """Many structures as one batch.

    Parameters
    ----------
    images : iterable of ase.Atoms
    schema : Schema
        Fields of samples and of labels; all that is not in `SAMPLE` is a label.

    Raises
    ------
    KeyError
        If a structure lacks a label; says which.
    """
    labels = [field for name, field in schema.items() if name not in SAMPLE]
    samples = []
    for i, atoms in enumerate(images):
        sample = atoms_to_sample(atoms)
        try:
            samples.append({**sample, **{field.name: label_of(atoms, field) for field in labels}})
        except KeyError as e:
            raise KeyError(f"structure {i}: {e.args[0]}") from None
        except ValueError as e:
            raise ValueError(f"structure {i}: {e}") from None
    return Batch.from_samples(schema, samples)


def batch_to_atoms(batch: Batch) -> list[Atoms]:
    """Every sample as atoms, its labels under ``REF_`` keys."""
    labels = [field for name, field in batch.schema.items() if name not in SAMPLE]
    images = []
    for sample in batch:
        atoms = sample_to_atoms(sample)
        for field in labels:
            value = np.array(sample[field.name])
            if field.ragged:
                atoms.arrays[f"REF_{field.name}"] = value
            else:
                atoms.info[f"REF_{field.name}"] = value if value.ndim else value.item()
        images.append(atoms)
    return images
