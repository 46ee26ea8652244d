"""Potentials that break one promise each."""

from __future__ import annotations

from dataclasses import replace

import torch
from tiny import TinyModel, TinyNetwork

from pal_ase.learning.network import Evaluation


def _model(network):
    return type(network.__name__, (TinyModel,), {"network": network})


class _SeesDirections(TinyNetwork):
    def distances(self, vectors):
        return super().distances(vectors * torch.tensor([1.0, 1.0, 0.9]))


class _CountsAtoms(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        place = torch.arange(len(graph.numbers)) - torch.from_numpy(graph.atom_offsets)[graph.sample]
        return super().atomic_energies(graph, vectors) * (1 + 0.1 * place)


class _EndsHard(TinyNetwork):
    def envelope(self, x):
        return 1.0 + 0 * x


class _EndsWithAKink(TinyNetwork):
    def envelope(self, x):
        return 1 - x


class _PullsTooHard(TinyNetwork):
    def evaluate(self, graph, training=False):
        found = super().evaluate(graph, training)
        return Evaluation(found.energies, 1.001 * found.pulls, found.memory)


class _SharesAmongAtoms(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        size = torch.bincount(graph.sample)[graph.sample]
        return super().atomic_energies(graph, vectors) / size.sqrt()


class _OverlooksOwnImages(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        other = graph.first != graph.second
        return super().atomic_energies(
            replace(graph, first=graph.first[other], second=graph.second[other]), vectors[other]
        )


class _TakesTheBatchMean(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        energies = super().atomic_energies(graph, vectors)
        return energies - energies.mean()


class _TakesTheFirstCharge(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        return super().atomic_energies(replace(graph, charge=graph.charge[:1].expand(len(graph))), vectors)


class _OverlooksTheCharge(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        return super().atomic_energies(replace(graph, charge=0 * graph.charge), vectors)


class _DividesByNeighbours(TinyNetwork):
    def atomic_energies(self, graph, vectors):
        count = torch.bincount(torch.cat([graph.first, graph.second]), minlength=len(graph.numbers))
        return super().atomic_energies(graph, vectors) * (count / count)


class _KeepsANumberToItself(TinyNetwork):
    def __init__(self, cutoff, frame):
        super().__init__(cutoff, frame)
        self.own = float(torch.rand(()))

    def atomic_energies(self, graph, vectors):
        return super().atomic_energies(graph, vectors) * self.own


class _DropsOut(TinyNetwork):
    """Draws random numbers that no snapshot knows of."""

    def evaluate(self, graph, training=False):
        found = super().evaluate(graph, training)
        noise = 1 + 0.1 * torch.rand_like(found.energies) if training else 1.0
        return Evaluation(found.energies * noise, found.pulls, found.memory)


class UsesAll(TinyModel):
    def use(self, rows):
        pass


SeesDirections = _model(_SeesDirections)
CountsAtoms = _model(_CountsAtoms)
EndsHard = _model(_EndsHard)
EndsWithAKink = _model(_EndsWithAKink)
PullsTooHard = _model(_PullsTooHard)
SharesAmongAtoms = _model(_SharesAmongAtoms)
OverlooksOwnImages = _model(_OverlooksOwnImages)
TakesTheBatchMean = _model(_TakesTheBatchMean)
TakesTheFirstCharge = _model(_TakesTheFirstCharge)
OverlooksTheCharge = _model(_OverlooksTheCharge)
DividesByNeighbours = _model(_DividesByNeighbours)
KeepsANumberToItself = _model(_KeepsANumberToItself)
DropsOut = _model(_DropsOut)
