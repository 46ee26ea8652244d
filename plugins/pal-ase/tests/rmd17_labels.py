"""Labels of ethanol by PBE: the first 40 of test set 2 of revised MD17 (Christensen and von Lilienfeld, 2020, CC0)."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from ase import Atoms

from pal_ase.codec import atoms_to_sample

_KCAL = 1 / 23.060548


def labels():
    with np.load(Path(__file__).parent / "data" / "rmd17_ethanol.npz") as file:
        rows = zip(file["positions"], file["energies"] * _KCAL, file["forces"] * _KCAL, strict=True)
        return [
            (atoms_to_sample(Atoms(file["numbers"], positions)), {"energy": np.array(energy), "forces": forces})
            for positions, energy, forces in rows
        ]
