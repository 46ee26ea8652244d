"""From the network's energies and pulls to physical quantities, and the loss on them with its derivatives."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from pal_ase.learning.graph import Graph
from pal_ase.learning.network import Evaluation

__all__ = ["Cotangents", "Targets", "Weights", "loss", "physical"]

_SMOOTHING = 1e-3
"""Errors (eV per atom, eV/Å) below which the loss is quadratic instead of linear."""


@dataclass(frozen=True)
class Targets:
    """Labels of n samples as training wants them; also what the network says of them.

    Parameters
    ----------
    energy : Tensor of float64, shape (n,)
        eV, without the reference energies.
    forces : Tensor, shape (atoms, 3)
        eV/Å.
    virial : Tensor, shape (n, 3, 3), or None
        Stress times volume, eV; zero for samples without a cell.
    """

    energy: Tensor
    forces: Tensor
    virial: Tensor | None = None


@dataclass(frozen=True)
class Weights:
    """What the errors of energy (per atom), forces and stress (times volume, per atom) count in the loss."""

    energy: float
    forces: float
    stress: float


@dataclass(frozen=True)
class Cotangents:
    """Derivatives of a loss with respect to the network's atomic energies and pulls."""

    energies: Tensor
    pulls: Tensor


def physical(evaluation: Evaluation, graph: Graph, scale: float, stress: bool) -> Targets:
    """Energies, forces and virials from what the network gives, in units of `scale` eV."""
    energy = torch.zeros(len(graph), dtype=torch.float64, device=graph.numbers.device)
    energy.index_add_(0, graph.sample, evaluation.energies.double())
    pull = evaluation.pulls * scale
    forces = pull.new_zeros((len(graph.numbers), 3)).index_add_(0, graph.first, pull)
    forces.index_add_(0, graph.second, pull, alpha=-1)
    return Targets(energy * scale, forces, _virial(pull, graph) if stress else None)


def _virial(pull: Tensor, graph: Graph) -> Tensor:
    each = (pull.unsqueeze(2) * graph.vectors.unsqueeze(1)).view(-1, 9)
    out = each.new_zeros((len(graph), 9)).index_add_(0, graph.sample[graph.first], each).view(-1, 3, 3)
    return out * (graph.volume > 0)[:, None, None]


def loss(
    predicted: Targets, wanted: Targets, graph: Graph, share: Tensor, *, weights: Weights, scale: float
) -> tuple[Tensor, Cotangents]:
    """Smoothed sum of absolute errors: insensitive to the odd extreme frame.

    The error of a sample is ``w_E |ΔE| / n + w_F Σ_i |ΔF_i| / n + w_S |ΔW| / n`` for n atoms, forces by vector
    length and virials W by Frobenius norm; the loss is the mean over samples.

    Parameters
    ----------
    predicted, wanted : Targets
    graph : Graph
    share : Tensor, shape (n,)
        Weight of each sample; one on average.
    weights : Weights
    scale : float
        Of `physical`, eV.

    Returns
    -------
    value : Tensor, shape ()
    cotangents : Cotangents
    """
    atoms = torch.bincount(graph.sample, minlength=len(graph)).clamp(min=1).to(share.dtype)
    share = share / len(graph)
    energy_error = (predicted.energy - wanted.energy).to(share.dtype) / atoms
    value, energy_bar = _smoothed(energy_error.unsqueeze(-1), share * weights.energy)
    per_atom = (share * weights.forces / atoms)[graph.sample]
    force_value, forces_bar = _smoothed(predicted.forces - wanted.forces, per_atom)
    pair_bar = forces_bar.index_select(0, graph.first) - forces_bar.index_select(0, graph.second)
    if predicted.virial is not None and wanted.virial is not None:
        error = ((predicted.virial - wanted.virial) / atoms[:, None, None]).view(-1, 9)
        virial_value, virial_bar = _smoothed(error, share * weights.stress)
        value = value + virial_value
        strain = (virial_bar.view(-1, 3, 3) / atoms[:, None, None])[graph.sample[graph.first]]
        pair_bar = pair_bar + torch.einsum("pxy,py->px", strain, graph.vectors)
    energies = (energy_bar[:, 0] / atoms * scale)[graph.sample]
    return value + force_value, Cotangents(energies, pair_bar * scale)


def _smoothed(error: Tensor, weight: Tensor) -> tuple[Tensor, Tensor]:
    """Sum of weighted lengths of the rows of `error`, smoothed at zero, and its derivative."""
    length = torch.sqrt(error.square().sum(-1) + _SMOOTHING**2)
    return (weight * (length - _SMOOTHING)).sum(), error * (weight / length).unsqueeze(-1)
