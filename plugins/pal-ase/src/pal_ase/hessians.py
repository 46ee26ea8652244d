"""Second derivatives of structures: from a file, or from forces of a cheap calculator."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core.errors import PalError
from pal_core.kernels import Context, OracleFailure

from pal_ase.codec import atoms_to_sample
from pal_ase.label_options import CalculatorOptions
from pal_ase.oracle import CalculatorOracle
from pal_ase.vibrations import displacements, second_derivatives

__all__ = ["computed_hessian", "finite_differences", "stored_hessian"]

Floats = NDArray[np.float64]
_STEP = 0.005  # Å: third derivatives cancel, and numerical noise of forces doesn't matter yet


def stored_hessian(kernel: str, path: Path, place: int, atoms: Atoms) -> Floats:
    """Second derivatives in eV/Å², shape (3N, 3N), of the structure that stands at `place` in its list.

    Raises
    ------
    PalError
        If the file holds something else.
    """
    try:
        found = np.asarray(np.load(path, allow_pickle=False), np.float64)
    except (OSError, ValueError) as e:
        raise PalError(f"{kernel}: modes.hessian: {path} can't be read as a NumPy array ({e})") from e
    if found.ndim == 3 and place < len(found):
        found = found[place]
    wanted = (3 * len(atoms), 3 * len(atoms))
    if found.shape != wanted or not np.isfinite(found).all():
        raise PalError(
            f"{kernel}: modes.hessian: {path} has no finite array of shape {wanted} for frame {place}, "
            f"found shape {found.shape}",
            "second derivatives in eV/Å^2, one matrix for all structures or one for each",
        )
    symmetric: Floats = (found + found.T) / 2
    return symmetric


def finite_differences(forces: Callable[[Atoms], Floats], atoms: Atoms) -> Floats:
    """Symmetric matrix of second derivatives in eV/Å², from central differences of forces, 6 N calculations."""
    return second_derivatives([forces(moved) for moved in displacements(atoms, range(len(atoms)), _STEP)], _STEP)


def computed_hessian(kernel: str, options: CalculatorOptions, place: int, atoms: Atoms, directory: Path) -> Floats:
    """Second derivatives by a calculator, kept in a file so that a resumed run has the same to the last bit.

    Raises
    ------
    PalError
        If the calculator fails.
    """
    sample = atoms_to_sample(atoms)
    what = hashlib.blake2s(options.model_dump_json().encode(), digest_size=8)
    for value in sample.values():
        what.update(value.tobytes())
    path = directory / "hessians" / f"{what.hexdigest()}.npy"
    if path.is_file():
        return np.asarray(np.load(path, allow_pickle=False))
    oracle = _oracle(options.model_dump_json(), directory / "hessians")

    def forces(moved: Atoms) -> Floats:
        return np.asarray(oracle.label(atoms_to_sample(moved))["forces"])

    try:
        found = finite_differences(forces, atoms)
    except OracleFailure as e:
        raise PalError(f"{kernel}: modes.reference: second derivatives of frame {place}: {e}") from e
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.part")
    with partial.open("wb") as file:
        np.save(file, found)
    partial.replace(path)
    return found


@lru_cache(maxsize=4)
def _oracle(options: str, directory: Path) -> CalculatorOracle:
    """One calculator for all walkers of a process."""
    directory.mkdir(parents=True, exist_ok=True)
    return CalculatorOracle(CalculatorOptions.model_validate_json(options), Context("oracle", directory=directory))
