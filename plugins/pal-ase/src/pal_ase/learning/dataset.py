"""Labelled samples on the training device, with their pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.learning.graph import Graph, build
from pal_ase.learning.objective import Targets
from pal_ase.learning.references import (
    charge_energies,
    charge_states,
    composition,
    fit_references,
    reference_energies,
)
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["Dataset", "Energies", "Frame", "MiniBatch"]

Ints = NDArray[np.int64]
Energies = tuple[NDArray[np.float64], NDArray[np.float64]]
"""Of the elements by atomic number and of total charges from the most negative one on, eV."""
MiniBatch = tuple[Graph, Targets, torch.Tensor]
"""Graph, labels and the samples' shares in the loss."""


@dataclass(frozen=True)
class Frame:
    """How samples are held.

    Parameters
    ----------
    cutoff : float
        Å.
    dtype : torch.dtype
    device : torch.device
    stress : bool
        Whether labels hold the stress.
    charges : int
        Largest total charge, of either sign, that has a reference energy; 0: none has.
    """

    cutoff: float
    dtype: torch.dtype
    device: torch.device
    stress: bool
    charges: int = 0


@dataclass
class Dataset:
    """Keeps what was computed once, deals out mini-batches.

    Parameters
    ----------
    graph : Graph
    energy : Tensor of float64, shape (n,)
        eV.
    forces : Tensor, shape (atoms, 3)
        eV/Å.
    virial : Tensor, shape (n, 3, 3), or None
        Stress times volume, eV; zero for samples without a cell.
    share : Tensor, shape (n,)
        Weights in the loss.
    relative : Tensor of float64, shape (n,)
        Energy without references, as of the last call of `relate`.
    """

    graph: Graph
    energy: torch.Tensor
    forces: torch.Tensor
    virial: torch.Tensor | None
    share: torch.Tensor
    relative: torch.Tensor

    @classmethod
    def of(cls, batch: Batch, share: NDArray[np.float64], frame: Frame) -> Dataset:
        """Samples with their labels; `share` weighs them in the loss."""
        graph = build(batch, frame.cutoff, frame.dtype, frame.device)
        names = ("energy", "forces", "stress") if frame.stress else ("energy", "forces")
        labels = {n: torch.from_numpy(batch.columns[n]).to(frame.device) for n in names}
        virial = None
        if frame.stress:
            volume = graph.volume[:, None, None]
            # Samples without a cell have no stress to learn, whatever their label says.
            virial = torch.where(volume > 0, labels["stress"].to(frame.dtype) * volume, 0.0)
        shares = torch.from_numpy(share).to(frame.device, frame.dtype)
        return cls(graph, labels["energy"], labels["forces"].to(frame.dtype), virial, shares, labels["energy"])

    @classmethod
    def empty(cls, frame: Frame) -> Dataset:
        """No samples yet."""
        return cls.of(Batch.empty(SAMPLE | label_schema(frame.stress)), np.zeros(0), frame)

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.energy)

    def append(self, other: Dataset) -> Dataset:
        """These samples, then the other's."""
        virials = [v for v in (self.virial, other.virial) if v is not None]
        return Dataset(
            self.graph.append(other.graph),
            torch.cat([self.energy, other.energy]),
            torch.cat([self.forces, other.forces]),
            torch.cat(virials) if virials else None,
            torch.cat([self.share, other.share]),
            torch.cat([self.relative, other.relative]),
        )

    def take(self, order: Ints) -> Dataset:
        """The samples at `order`, in that order."""
        graph, atoms = self.graph.take(order)
        index = torch.from_numpy(order).to(self.energy.device)
        virial = None if self.virial is None else self.virial[index]
        return Dataset(graph, self.energy[index], self.forces[atoms], virial, self.share[index], self.relative[index])

    def force_scale(self) -> float:
        """Root mean square force component times half an Å, eV; 1 eV where there are no forces."""
        size = 0.5 * float(self.forces.double().square().mean().sqrt())
        return size if size > 0 else 1.0

    def numbers(self) -> Ints:
        """Atomic numbers of all samples, one after the other."""
        out: Ints = self.graph.numbers.cpu().numpy()
        return out

    def charges(self) -> Ints:
        """Total charges of the samples, e."""
        out: Ints = self.graph.charge.cpu().numpy()
        return out

    def fit_references(self, known: Energies, network: torch.Tensor, elements: bool = True) -> Energies:
        """Reference energies that bring references plus `network` energies closest to the labels.

        Parameters
        ----------
        known : pair of ndarray of float64, shapes (119,) and (2 charges + 1,)
            References of elements and charges so far, eV. The new ones differ from them as little as labels allow.
        network : Tensor of float64, shape (n,)
            What the network adds now, eV.
        elements : bool
            Fit those of the elements too, or only those of charges.
        """
        counts = composition(self.numbers(), self.graph.atom_offsets) * elements
        counts = np.hstack([counts, charge_states(self.charges(), len(known[1]) // 2)])
        rest = (self.energy - network).cpu().numpy() - self._base(known)
        more = fit_references(counts, rest, self.share.double().cpu().numpy())
        return known[0] + more[: len(known[0])], known[1] + more[len(known[0]) :]

    def relate(self, references: Energies) -> None:
        """Take the reference energies of elements and charges off what the network is to learn."""
        self.relative = self.energy - torch.from_numpy(self._base(references)).to(self.energy.device)

    def _base(self, references: Energies) -> NDArray[np.float64]:
        elements, charges = references
        atoms = reference_energies(elements, self.numbers(), self.graph.atom_offsets)
        return atoms + charge_energies(charges, self.charges())

    def batches(self, order: Ints, sizes: Ints, start: int = 0) -> Iterator[MiniBatch]:
        """Mini-batches of the samples at `order`, from the one numbered `start` on."""
        ordered = self.take(order)
        graph = ordered.graph
        edges = np.concatenate([[0], np.cumsum(sizes)])
        for k in range(start, len(sizes)):
            a, b = int(edges[k]), int(edges[k + 1])
            p, q = (int(r) for r in graph.atom_offsets[[a, b]])
            virial = None if ordered.virial is None else ordered.virial[a:b]
            yield graph.slice(a, b), Targets(ordered.relative[a:b], ordered.forces[p:q], virial), ordered.share[a:b]

    def in_order(self, pairs: int) -> Iterator[MiniBatch]:
        """All samples, in parts of at most so many pairs."""
        yield from self.batches(np.arange(len(self)), self.graph.piece_sizes(pairs))

    def even_sizes(self, wanted: int) -> Ints:
        """Sizes of mini-batches as close to `wanted` as possible, none much smaller than the others."""
        count = max(1, round(len(self) / wanted))
        edges = np.linspace(0, len(self), count + 1).round().astype(np.int64)
        sizes: Ints = np.diff(edges)
        return sizes
