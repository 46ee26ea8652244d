"""Labelled samples on the training device, with their pairs."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_schnet.graph import Graph, build
from pal_schnet.objective import Targets
from pal_schnet.reference import fit_references, reference_energies

__all__ = ["Dataset", "MiniBatch"]

MiniBatch = tuple[Graph, Targets, torch.Tensor]
"""Graph, labels and the samples' shares in the loss."""


class Dataset:
    """Grows by `add`, keeps what was computed once, deals out mini-batches.

    Parameters
    ----------
    cutoff : float
        Å.
    dtype : torch.dtype
    device : torch.device
    stress : bool
        Whether labels hold the stress.
    """

    def __init__(self, cutoff: float, dtype: torch.dtype, device: torch.device, stress: bool) -> None:
        self.cutoff, self.dtype, self.device, self.stress = cutoff, dtype, device, stress
        self.graph: Graph | None = None
        self.energy = torch.zeros(0, dtype=torch.float64, device=device)
        self.forces = torch.zeros((0, 3), dtype=dtype, device=device)
        self.virial = torch.zeros((0, 3, 3), dtype=dtype, device=device)
        self.share = torch.zeros(0, dtype=dtype, device=device)
        self.relative = self.energy

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.energy)

    def add(self, batch: Batch, share: NDArray[np.float64]) -> None:
        """Add samples with labels; `share` weighs them in the loss."""
        graph = build(batch, self.cutoff, self.dtype, self.device)
        self.graph = graph if self.graph is None else self.graph.append(graph)
        labels = {n: torch.from_numpy(batch.columns[n]).to(self.device) for n in ("energy", "forces")}
        self.energy = torch.cat([self.energy, labels["energy"]])
        self.forces = torch.cat([self.forces, labels["forces"].to(self.dtype)])
        self.share = torch.cat([self.share, torch.from_numpy(share).to(self.device, self.dtype)])
        if self.stress:
            stress = torch.from_numpy(batch.columns["stress"]).to(self.device, self.dtype)
            # Samples without a cell have no stress to learn, whatever their label says.
            virial = torch.where(graph.volume[:, None, None] > 0, stress * graph.volume[:, None, None], 0.0)
            self.virial = torch.cat([self.virial, virial])

    @property
    def whole(self) -> Graph:
        """All samples."""
        if self.graph is None:
            raise ValueError("there are no data yet")
        return self.graph

    def force_scale(self) -> float:
        """Root mean square force component times half an Å, eV; 1 eV where there are no forces."""
        size = 0.5 * float(self.forces.double().square().mean().sqrt())
        return size if size > 0 else 1.0

    def numbers(self) -> NDArray[np.int64]:
        """Atomic numbers of all samples, one after the other."""
        out: NDArray[np.int64] = self.whole.numbers.cpu().numpy()
        return out

    def fit_references(self, known: NDArray[np.float64], network: torch.Tensor) -> NDArray[np.float64]:
        """Reference energies that bring references plus `network` energies closest to the labels.

        Parameters
        ----------
        known : ndarray of float64, shape (119,)
            References so far, eV. The new ones differ from them as little as the labels allow.
        network : Tensor of float64, shape (n,)
            What the network adds now, eV.
        """
        numbers, offsets = self.numbers(), self.whole.atom_offsets
        rest = (self.energy - network).cpu().numpy() - reference_energies(known, numbers, offsets)
        return known + fit_references(numbers, offsets, rest, self.share.double().cpu().numpy())

    def relate(self, references: NDArray[np.float64]) -> None:
        """Take the reference energies off what the network is to learn."""
        if self.graph is not None:
            base = reference_energies(references, self.numbers(), self.graph.atom_offsets)
            self.relative = self.energy - torch.from_numpy(base).to(self.device)

    def batches(self, order: NDArray[np.int64], sizes: NDArray[np.int64], start: int = 0) -> Iterator[MiniBatch]:
        """Mini-batches of the samples at `order`, from the one numbered `start` on."""
        if self.graph is None or not len(order):
            return
        graph, rows = self.graph.take(order)
        index = torch.from_numpy(order).to(self.device)
        energy, share, forces = self.relative[index], self.share[index], self.forces[rows]
        virial = self.virial[index] if self.stress else None
        edges = np.concatenate([[0], np.cumsum(sizes)])
        for k in range(start, len(sizes)):
            a, b = int(edges[k]), int(edges[k + 1])
            p, q = (int(r) for r in graph.atom_offsets[[a, b]])
            targets = Targets(energy[a:b], forces[p:q], None if virial is None else virial[a:b])
            yield graph.slice(a, b), targets, share[a:b]

    def in_order(self) -> Iterator[MiniBatch]:
        """All samples, in parts that are small enough to be evaluated together."""
        if self.graph is not None:
            yield from self.batches(np.arange(len(self)), self.graph.piece_sizes())

    def even_sizes(self, wanted: int) -> NDArray[np.int64]:
        """Sizes of mini-batches as close to `wanted` as possible, none much smaller than the others."""
        count = max(1, round(len(self) / wanted))
        edges = np.linspace(0, len(self), count + 1).round().astype(np.int64)
        sizes: NDArray[np.int64] = np.diff(edges)
        return sizes
