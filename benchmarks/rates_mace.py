"""MACE for `prediction_rate.py`: 32x0e + 32x1o, l up to 3, correlation 3, two layers, cutoff 5 Å."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from ase import Atoms
from rates import Rival

from pal_core.kernels import Context
from pal_mace.architecture import Architecture
from pal_mace.convert import to_mace
from pal_mace.library import float_precision
from pal_mace.model import MaceCommittee
from pal_mace.options import MaceOptions

ELEMENTS = ("H", "C", "O", "Cu")


class Mace(Rival):
    """A committee of MACE."""

    def __init__(self, members: int, device: str) -> None:
        from mace.calculators import MACECalculator
        from mace.tools.utils import AtomicNumberTable

        options = MaceOptions(elements=ELEMENTS, features=32, hidden_l=1, max_l=3, correlation=3)
        self.members = [MaceCommittee(options, Context("prediction", k, 1, device=device)) for k in range(members)]
        for member in self.members:
            weights = dict(member.weights())
            weights["neighbours"] = np.array(10.0)
            member.load(weights)
        self.device = device
        self.modules = [to_mace(Architecture.of(options), dict(m.weights())).float().to(device) for m in self.members]
        self.cutoff = options.cutoff
        self.table = AtomicNumberTable([int(z) for z in self.modules[0].atomic_numbers])
        self.calculator = MACECalculator(models=self.modules, device=device, default_dtype="float32")

    def one_by_one(self, structures: Sequence[Atoms]) -> np.ndarray:
        forces = []
        for atoms in structures:
            # A calculator remembers its last structure.
            self.calculator.reset()
            forces.append(self.calculator.get_forces(atoms))
        return np.concatenate(forces)

    def batched(self, structures: Sequence[Atoms]) -> list[np.ndarray]:
        from mace import data
        from mace.tools import torch_geometric

        with float_precision(torch.float32):
            graphs = [
                data.AtomicData.from_config(data.config_from_atoms(a), z_table=self.table, cutoff=self.cutoff)
                for a in structures
            ]
        batch = torch_geometric.Batch.from_data_list(graphs).to(self.device)
        return [m(batch.to_dict(), compute_force=True)["forces"].detach().cpu().numpy() for m in self.modules]


def make(members: int, device: str) -> Rival:
    return Mace(members, device)
