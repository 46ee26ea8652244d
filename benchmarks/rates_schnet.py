"""SchNet for `prediction_rate.py`: 64 features, three interactions, cutoff 5 Å, beside SchNetPack's of that size.

SchNetPack's filters and activation differ, so weights can't be handed over: both networks are untrained ones. With
torch 2.13 SchNetPack 2.0 needs a name that torch has dropped.
"""

from __future__ import annotations

import typing
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
import torch.utils.data.dataloader as dataloader
from ase import Atoms
from rates import Rival

from pal_core.kernels import Context
from pal_schnet.model import SchnetCommittee
from pal_schnet.options import SchnetOptions

if not hasattr(dataloader, "T_co"):
    dataloader.T_co = typing.TypeVar("T_co", covariant=True)

import schnetpack as spk
from schnetpack.interfaces import AtomsConverter, SpkCalculator
from schnetpack.transform import MatScipyNeighborList

OPTIONS = SchnetOptions(features=64, interactions=3)


def network() -> torch.nn.Module:
    """SchNetPack's, with energy and forces."""
    radial = spk.nn.GaussianRBF(n_rbf=OPTIONS.basis, cutoff=OPTIONS.cutoff)
    return spk.model.NeuralNetworkPotential(
        representation=spk.representation.SchNet(
            n_atom_basis=OPTIONS.features,
            n_interactions=OPTIONS.interactions,
            radial_basis=radial,
            cutoff_fn=spk.nn.CosineCutoff(OPTIONS.cutoff),
        ),
        input_modules=[spk.atomistic.PairwiseDistances()],
        output_modules=[
            spk.atomistic.Atomwise(n_in=OPTIONS.features, output_key="energy"),
            spk.atomistic.Forces(energy_key="energy", force_key="forces"),
        ],
    )


class Calculator(SpkCalculator):
    """SchNetPack's ASE calculator of a network in memory."""

    def _load_model(self, model_file: Any) -> torch.nn.Module:
        module: torch.nn.Module = model_file
        return module


class Schnet(Rival):
    """Committees of both."""

    same_weights = False

    def __init__(self, members: int, device: str) -> None:
        self.members = [SchnetCommittee(OPTIONS, Context("prediction", k, 1, device=device)) for k in range(members)]
        self.modules = [network().float().to(device).eval() for _ in range(members)]
        neighbours = MatScipyNeighborList(cutoff=OPTIONS.cutoff)
        where: Any = {"neighbor_list": neighbours, "device": device, "dtype": torch.float32}
        self.calculators = [Calculator(m, energy_unit="eV", position_unit="Ang", **where) for m in self.modules]
        self.convert = AtomsConverter(**where)

    def one_by_one(self, structures: Sequence[Atoms]) -> np.ndarray:
        found = []
        for calculator in self.calculators:
            forces = []
            for atoms in structures:
                calculator.reset()
                forces.append(calculator.get_forces(atoms))
            found.append(np.concatenate(forces))
        return np.mean(found, axis=0)

    def batched(self, structures: Sequence[Atoms]) -> list[np.ndarray]:
        inputs = self.convert(list(structures))
        return [m(dict(inputs))["forces"].detach().cpu().numpy() for m in self.modules]


def make(members: int, device: str) -> Rival:
    return Schnet(members, device)
