"""NequIP for `prediction_rate.py`: defaults of `nequip.nequip` beside nequip on the same weights."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from ase import Atoms
from rates import Rival

from pal_ase.codec import atoms_to_batch
from pal_ase.elements import SYMBOLS
from pal_core.kernels import Context
from pal_nequip.convert import to_library
from pal_nequip.model import NequipCommittee
from pal_nequip.options import NequipOptions


class Equivariant(Rival):
    """A committee of one architecture."""

    def __init__(self, kernel: Any, options: Any, members: int, device: str) -> None:
        from nequip.data.transforms import ChemicalSpeciesToAtomTypeMapper, NeighborListTransform
        from nequip.integrations.ase import NequIPCalculator

        self.device = device
        self.members = [kernel(options, Context("prediction", k, 1, device=device)) for k in range(members)]
        water = atoms_to_batch([Atoms("OH2", [[0, 0, 0], [0, 0, 1.0], [0, 1.0, 0]])])
        for member in self.members:
            # Networks are recorded when they have predicted often.
            for _ in range(101):
                member.predict(water)
        self.models = [to_library(options, dict(m.weights())).to(device) for m in self.members]
        # The library's mapper ends before oganesson.
        self.transforms = [ChemicalSpeciesToAtomTypeMapper(SYMBOLS[:-1]), NeighborListTransform(r_max=options.cutoff)]
        self.calculators = [NequIPCalculator(m, device, transforms=self.transforms) for m in self.models]

    def one_by_one(self, structures: Sequence[Atoms]) -> np.ndarray:
        from nequip.utils import torch_default_dtype

        forces = []
        for atoms in structures:
            for calculator in self.calculators:
                # A calculator remembers its last structure.
                calculator.reset()
            with torch_default_dtype(torch.float64):
                forces.append(np.mean([c.get_forces(atoms) for c in self.calculators], axis=0))
        return np.concatenate(forces)

    def batched(self, structures: Sequence[Atoms]) -> list[np.ndarray]:
        from nequip.data import AtomicDataDict, from_ase
        from nequip.utils import torch_default_dtype

        # As in the library's own processes.
        with torch_default_dtype(torch.float64):
            graphs = []
            for atoms in structures:
                graph = from_ase(atoms)
                for change in self.transforms:
                    graph = change(graph)
                graphs.append(graph)
            batch = AtomicDataDict.to_(AtomicDataDict.batched_from_list(graphs), self.device)
            return [m(batch)["forces"].detach().cpu().numpy() for m in self.models]


def make(members: int, device: str) -> Rival:
    return Equivariant(NequipCommittee, NequipOptions(), members, device)
