"""A small potential that torch differentiates, and ones like it that break what a potential must keep."""

from __future__ import annotations

from typing import ClassVar

import torch
from pal_core.hookspecs import hookimpl
from pal_core.options import Interface
from pal_core.spec import KernelSpec, Role

from pal_ase.learning.model import AtomisticModel
from pal_ase.learning.network import TorchNetwork
from pal_ase.learning_options import LearningOptions
from pal_ase.schema import SAMPLE, label_schema

WIDTH, BASIS = 8, 8


class TinyOptions(LearningOptions):
    """Nothing but what all share, and the charge."""

    def interface(self) -> Interface:
        return Interface(SAMPLE, label_schema(self.stress))


class TinyModule(torch.nn.Module):
    """Two layers of messages along the pairs; `charge` moves all atoms of a sample."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = torch.nn.Embedding(119, WIDTH)
        self.filters = torch.nn.ModuleList([torch.nn.Linear(BASIS, WIDTH, bias=False) for _ in range(2)])
        self.mix = torch.nn.ModuleList([torch.nn.Linear(WIDTH, WIDTH) for _ in range(2)])
        self.charge = torch.nn.Linear(2, WIDTH)
        self.readout = torch.nn.Linear(WIDTH, 1)
        self.register_buffer("centres", torch.linspace(0, 1, BASIS))


class TinyNetwork(TorchNetwork):
    def __init__(self, cutoff: float, frame) -> None:
        super().__init__(TinyModule(), frame.dtype, frame.device)
        self.cutoff = cutoff

    def distances(self, vectors):
        return (vectors.square().sum(-1) + 1e-12).sqrt()

    def envelope(self, x):
        return (1 - x).clamp(min=0) ** 3

    def atomic_energies(self, graph, vectors):
        module = self.module
        x = self.distances(vectors) / self.cutoff
        basis = torch.exp(-20 * (x[:, None] - module.centres) ** 2) * self.envelope(x)[:, None]
        state = torch.stack([graph.charge, graph.multiplicity - 1], 1).to(vectors.dtype)
        h = module.embedding(graph.numbers) + module.charge(state)[graph.sample]
        for filters, mix in zip(module.filters, module.mix, strict=True):
            w = filters(basis)
            m = torch.zeros_like(h).index_add(0, graph.first, w * h[graph.second])
            m = m.index_add(0, graph.second, w * h[graph.first])
            h = h + torch.nn.functional.silu(mix(m))
        return module.readout(h)[:, 0]


class TinyModel(AtomisticModel):
    Options = TinyOptions
    kernel = "tiny.model"
    network: ClassVar[type[TinyNetwork]] = TinyNetwork

    def _network(self, seed):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return self.network(self.options.cutoff, self.frame)


@hookimpl
def pal_kernels():
    return [
        KernelSpec("tiny.model", Role.MODEL, "tiny:TinyModel", "tiny:TinyOptions", "", frozenset({"snapshot", "use"}))
    ]
