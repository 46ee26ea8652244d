"""What the tests share."""

from __future__ import annotations

from itertools import islice
from typing import Any

import numpy as np
from ase import Atoms
from pal_core.kernels import Context

from pal_mace.model import MaceCommittee
from pal_mace.options import MaceOptions

SMALL = {
    "elements": ["H", "C", "O"],
    "cutoff": 4.0,
    "features": 4,
    "max_l": 2,
    "correlation": 2,
    "basis": 6,
    "radial_layers": [16],
    "readout": 8,
    "batch_size": 4,
    "learning_rate": 0.01,
}


def member(index: int = 0, role: str = "training", seed: int = 3, **options: Any) -> MaceCommittee:
    return MaceCommittee(MaceOptions(**{**SMALL, **options}), Context(role, index, seed))


def trained(model: MaceCommittee, batch: Any, epochs: int = 3) -> MaceCommittee:
    model.extend(batch, np.arange(len(batch)) % 5 == 4)
    iterator = model.train()
    list(islice((e for e in iterator if e.whole), epochs))
    iterator.close()
    return model


def charged(atoms: Atoms, charge: int, multiplicity: int) -> Atoms:
    """With charge and multiplicity where pal-ase reads them, and where MACE's calculator does."""
    atoms.info |= {"charge": charge, "multiplicity": multiplicity, "spin": multiplicity}
    return atoms
