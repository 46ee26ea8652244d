"""Many samples as one graph of atoms and pairs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch
from torch import Tensor

from pal_ase.learning.neighbours import half_pairs, ranges

__all__ = ["Graph", "build"]

Ints = NDArray[np.int64]


@dataclass(frozen=True)
class Graph:
    """Atoms and pairs of n samples, those of one sample in one piece.

    Parameters
    ----------
    numbers : Tensor of int64, shape (atoms,)
        Atomic numbers.
    sample : Tensor of int64, shape (atoms,)
        Sample of each atom.
    first, second : Tensor of int64, shape (pairs,)
        Atoms of each pair.
    distance : Tensor, shape (pairs,)
        Å.
    direction : Tensor, shape (pairs, 3)
        Unit vector from the first atom to the second; zero where they coincide.
    volume : Tensor, shape (n,)
        Of the cell, Å³; zero without periodicity.
    charge, multiplicity : Tensor of int64, shape (n,)
        Total charge, e, and spin multiplicity 2S + 1; 0 and 1 where samples don't say.
    atom_offsets, pair_offsets : ndarray of int64, shape (n + 1,)
        Sample k owns atoms ``atom_offsets[k]:atom_offsets[k + 1]``; pairs likewise.
    """

    numbers: Tensor
    sample: Tensor
    first: Tensor
    second: Tensor
    distance: Tensor
    direction: Tensor
    volume: Tensor
    charge: Tensor
    multiplicity: Tensor
    atom_offsets: Ints
    pair_offsets: Ints

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.atom_offsets) - 1

    @property
    def vectors(self) -> Tensor:
        """From the first atom of each pair to the second, Å; shape (pairs, 3)."""
        return self.direction * self.distance.unsqueeze(-1)

    def slice(self, start: int, stop: int) -> Graph:
        """Samples ``start:stop``; what needn't be renumbered is a view."""
        a, b = (int(k) for k in self.atom_offsets[[start, stop]])
        p, q = (int(k) for k in self.pair_offsets[[start, stop]])
        return Graph(
            self.numbers[a:b],
            self.sample[a:b] - start,
            self.first[p:q] - a,
            self.second[p:q] - a,
            self.distance[p:q],
            self.direction[p:q],
            self.volume[start:stop],
            self.charge[start:stop],
            self.multiplicity[start:stop],
            self.atom_offsets[start : stop + 1] - a,
            self.pair_offsets[start : stop + 1] - p,
        )

    def piece_sizes(self, pairs: int) -> Ints:
        """Numbers of successive samples that have at most so many pairs together, or are single ones."""
        edges = [0]
        while edges[-1] < len(self):
            limit = self.pair_offsets[edges[-1]] + pairs
            edges.append(max(edges[-1] + 1, int(np.searchsorted(self.pair_offsets, limit, "right")) - 1))
        sizes: Ints = np.diff(edges).astype(np.int64)
        return sizes

    def pieces(self, pairs: int) -> Iterator[Graph]:
        """The graph cut between samples by `piece_sizes`."""
        stop = 0
        for size in self.piece_sizes(pairs):
            start, stop = stop, stop + int(size)
            yield self if size == len(self) else self.slice(start, stop)

    def take(self, order: Ints) -> tuple[Graph, Tensor]:
        """The samples at `order`, in that order, and the rows of their atoms in this graph."""
        device = self.numbers.device
        atoms, sizes = _rows(self.atom_offsets, order)
        pairs, degrees = _rows(self.pair_offsets, order)
        atom_offsets, pair_offsets = _offsets(sizes), _offsets(degrees)
        shift = torch.from_numpy(np.repeat(atom_offsets[:-1] - self.atom_offsets[order], degrees)).to(device)
        rows, pair_rows = torch.from_numpy(atoms).to(device), torch.from_numpy(pairs).to(device)
        samples = torch.from_numpy(order).to(device)
        graph = Graph(
            self.numbers[rows],
            torch.from_numpy(np.repeat(np.arange(len(order)), sizes)).to(device),
            self.first[pair_rows] + shift,
            self.second[pair_rows] + shift,
            self.distance[pair_rows],
            self.direction[pair_rows],
            self.volume[samples],
            self.charge[samples],
            self.multiplicity[samples],
            atom_offsets,
            pair_offsets,
        )
        return graph, rows

    def append(self, other: Graph) -> Graph:
        """These samples, then the other's."""
        atoms, pairs = int(self.atom_offsets[-1]), int(self.pair_offsets[-1])
        return Graph(
            torch.cat([self.numbers, other.numbers]),
            torch.cat([self.sample, other.sample + len(self)]),
            torch.cat([self.first, other.first + atoms]),
            torch.cat([self.second, other.second + atoms]),
            torch.cat([self.distance, other.distance]),
            torch.cat([self.direction, other.direction]),
            torch.cat([self.volume, other.volume]),
            torch.cat([self.charge, other.charge]),
            torch.cat([self.multiplicity, other.multiplicity]),
            np.concatenate([self.atom_offsets, other.atom_offsets[1:] + atoms]),
            np.concatenate([self.pair_offsets, other.pair_offsets[1:] + pairs]),
        )


def build(batch: Batch, cutoff: float, dtype: torch.dtype, device: torch.device) -> Graph:
    """Graph of all samples of a batch.

    Parameters
    ----------
    batch : Batch
        With the columns numbers, positions, cell and pbc of `pal_ase.schema.SAMPLE`; charge and multiplicity are read
        where they are there.
    cutoff : float
        Å.
    dtype : torch.dtype
        Of distances and directions, which are computed in float64 whatever it is.
    device : torch.device
        Where the tensors go; pairs are found on the CPU.
    """
    columns, offsets = batch.columns, batch.offsets
    assert offsets is not None  # noqa: S101 - the schema is ragged
    first, second, vectors = half_pairs(columns["positions"], offsets, columns["cell"], columns["pbc"], cutoff)
    distance = np.sqrt(np.einsum("px,px->p", vectors, vectors))
    direction = vectors / np.maximum(distance, 1e-12)[:, None]
    volume = np.abs(np.linalg.det(columns["cell"])) * columns["pbc"].any(axis=1)
    return Graph(
        torch.from_numpy(columns["numbers"].astype(np.int64)).to(device),
        torch.from_numpy(np.repeat(np.arange(len(batch)), np.diff(offsets))).to(device),
        torch.from_numpy(first).to(device),
        torch.from_numpy(second).to(device),
        torch.from_numpy(distance).to(device, dtype),
        torch.from_numpy(direction).to(device, dtype),
        torch.from_numpy(volume).to(device, dtype),
        _whole(columns.get("charge"), 0, len(batch)).to(device),
        _whole(columns.get("multiplicity"), 1, len(batch)).to(device),
        offsets,
        np.searchsorted(first, offsets),
    )


def _whole(values: NDArray[Any] | None, missing: int, size: int) -> Tensor:
    """A column of whole numbers, `missing` where there is none."""
    return torch.from_numpy(np.full(size, missing, np.int64) if values is None else values.astype(np.int64))


def _rows(offsets: Ints, order: Ints) -> tuple[Ints, Ints]:
    counts = np.diff(offsets)[order]
    return ranges(offsets[:-1][order], counts), counts


def _offsets(counts: Ints) -> Ints:
    return np.concatenate([np.zeros(1, np.int64), np.cumsum(counts)])
