"""ASE databases: labels as calculator results, charge, multiplicity and provenance in each row's data."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import all_properties
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from ase.stress import full_3x3_to_voigt_6_stress
from pal_core.data import Batch, Schema
from pal_core.errors import PalError
from pal_core.kernels import Sample

from pal_ase.codec import atoms_to_batch, sample_to_atoms
from pal_ase.schema import SAMPLE

__all__ = ["read", "write"]


def read(path: Path, schema: Schema) -> Batch:
    """Labelled samples of a database.

    Charge and multiplicity come from a row's `data` or key-value pairs; labels from its results, or from ``REF_``
    keys in `data`.

    Raises
    ------
    PalError
        If there is no such file, or a row lacks a label; says which.
    """
    if not path.is_file():
        raise PalError(f"there is no file {path}")
    try:
        with connect(path.absolute(), type="db", serial=True) as database:
            images = [_atoms(row) for row in database.select()]
    except Exception as e:  # SQLite's errors, and ASE's on rows that are not as it writes them
        raise PalError(f"{path} can't be read by ASE ({type(e).__name__}: {e})") from e
    try:
        return atoms_to_batch(images, schema)
    except (KeyError, ValueError) as e:
        raise PalError(f"{path}: {e.args[0]}", f"wanted: {', '.join(map(str, schema.values()))}") from None


def _atoms(row: Any) -> Atoms:
    atoms = row.toatoms()
    for key, value in {**row.key_value_pairs, **row.data}.items():
        if key in ("charge", "multiplicity", "spin"):
            atoms.info[key] = int(value)
        elif key.startswith("REF_"):
            atoms.info[key] = np.asarray(value)
    return atoms


def write(path: Path, batch: Batch, origin: Iterable[dict[str, Any]]) -> None:
    """Write a batch to a new database; an existing one is replaced.

    Energy, forces and stress become calculator results. Other labels go to each row's `data` under ``REF_`` keys, the
    provenance to its key ``origin``.
    """
    # The ending tells ASE the kind of database.
    partial = path.with_name(f".part-{path.name}")
    partial.unlink(missing_ok=True)
    with connect(partial, serial=True, use_lock_file=False) as database:
        for sample, record in zip(batch, origin, strict=True):
            atoms, data = _labelled(sample, batch.schema)
            plain = json.loads(json.dumps(record, default=str))
            database.write(atoms, data={**data, "origin": plain})
    partial.replace(path)


def _labelled(sample: Sample, schema: Schema) -> tuple[Atoms, Mapping[str, Any]]:
    atoms = sample_to_atoms(sample)
    data: dict[str, Any] = dict(atoms.info)
    results: dict[str, Any] = {}
    for name in schema:
        value = np.array(sample[name]) if name not in SAMPLE else None
        if value is None:
            continue
        if name == "stress":
            value = full_3x3_to_voigt_6_stress(value)
        if name in all_properties:
            results[name] = value if value.ndim else value.item()
        else:
            data[f"REF_{name}"] = value
    atoms.calc = SinglePointCalculator(atoms, **results)
    return atoms, data
