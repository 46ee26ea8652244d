"""Loss and mean absolute errors, summed over mini-batches, and by total charge."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from pal_ase.learning.graph import Graph
from pal_ase.learning.objective import Targets

__all__ = ["ChargeSums", "Sums"]


class Sums:
    """Running sums of a pass over the data."""

    def __init__(self) -> None:
        self.values = np.zeros(5)

    def add(self, value: torch.Tensor, predicted: Targets, wanted: Targets) -> None:
        """Count a mini-batch: its mean loss and what was predicted of it."""
        energy = (predicted.energy - wanted.energy).abs().sum()
        forces = (predicted.forces - wanted.forces).abs().sum()
        size = len(wanted.energy)
        self.values += [float(value) * size, float(energy), float(forces), size, wanted.forces.numel()]

    @property
    def loss(self) -> float:
        """Mean loss per sample."""
        return float(self.values[0] / max(1.0, self.values[3]))

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Loss, and mean absolute errors: energy per sample, eV; force components, eV/Å."""
        _, energy, forces, samples, components = self.values
        return {
            f"{prefix}loss": self.loss,
            f"{prefix}energy_mae": float(energy / max(1.0, samples)),
            f"{prefix}forces_mae": float(forces / max(1.0, components)),
        }

    def state(self) -> NDArray[np.float64]:
        """A copy of the sums."""
        values: NDArray[np.float64] = self.values.copy()
        return values

    def load(self, state: NDArray[np.float64]) -> None:
        """Undo `state`."""
        self.values = np.array(state, np.float64)


class ChargeSums:
    """Errors of a pass over the data for each total charge by itself."""

    def __init__(self) -> None:
        self.values: dict[int, NDArray[np.float64]] = {}

    def add(self, graph: Graph, predicted: Targets, wanted: Targets) -> None:
        """Count a mini-batch."""
        energy = (predicted.energy - wanted.energy).abs()
        forces = torch.zeros_like(energy)
        forces.index_add_(0, graph.sample, (predicted.forces - wanted.forces).abs().sum(1).double())
        components = 3 * np.diff(graph.atom_offsets)
        columns = [energy.cpu().numpy(), forces.cpu().numpy(), np.ones(len(components)), components]
        table, charges = np.stack(columns, 1), graph.charge.cpu().numpy()
        for charge in np.unique(charges):
            known = self.values.setdefault(int(charge), np.zeros(4))
            known += table[charges == charge].sum(0)

    def metrics(self, prefix: str = "") -> dict[str, float]:
        """Mean absolute errors as `Sums.metrics` has them, under names such as ``forces_mae[+1]``."""
        out = {}
        for charge, (energy, forces, samples, components) in sorted(self.values.items()):
            state = f"[{charge:+d}]" if charge else "[0]"
            out[f"{prefix}energy_mae{state}"] = float(energy / samples)
            out[f"{prefix}forces_mae{state}"] = float(forces / max(1.0, components))
        return out
