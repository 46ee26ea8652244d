"""Labels of ethanol by PBE: the first 40 of test set 2 of revised MD17 (Christensen and von Lilienfeld, 2020, CC0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.units import kcal, mol

from pal_ase.codec import atoms_to_sample

_FILE = Path(__file__).resolve().parents[4] / "shared" / "reference" / "mlp" / "rmd17_ethanol_test_02.npz"
_COUNT = 40


def labels():
    """Samples and labels; skips the test where the data don't lie beside the repository."""
    if not _FILE.is_file():
        pytest.skip(f"no reference data: {_FILE} is missing")
    with np.load(_FILE) as file:
        numbers, energies, forces = file["nuclear_charges"], file["energies"], file["forces"]
        rows = zip(file["coords"][:_COUNT], energies[:_COUNT] * kcal / mol, forces[:_COUNT] * kcal / mol, strict=True)
        return [
            (atoms_to_sample(Atoms(numbers, positions)), {"energy": np.array(energy), "forces": force})
            for positions, energy, force in rows
        ]
