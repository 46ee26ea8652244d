"""A network with its units: what a member knows when it predicts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.elements import ELEMENTS
from pal_ase.learning.dataset import Frame
from pal_ase.learning.graph import Graph, build
from pal_ase.learning.network import Network
from pal_ase.learning.objective import Targets, physical
from pal_ase.learning.references import charge_energies, reference_energies
from pal_ase.schema import label_schema

__all__ = ["Potential", "predict"]

_UNITS = ("references", "charge_references", "scale", "cutoff")
_FAR = 1e5
"""Coordinates (Å) beyond this are an explosion and not predicted."""


class Potential:
    """Energies, forces and stress of samples.

    Parameters
    ----------
    network : Network
    frame : Frame
        Cutoff, precision and device of its graphs, and whether to predict the stress.
    who : str
        The kernel, for messages.

    Attributes
    ----------
    references : ndarray of float64, shape (119,)
        Energy of each element, eV.
    charge_references : ndarray of float64, shape (2 frame.charges + 1,)
        Energy of each total charge from the most negative one on, eV; that of neutral samples is zero.
    scale : float
        The network's unit of energy, eV; 1 before any training.
    """

    def __init__(self, network: Network, frame: Frame, who: str) -> None:
        self.network, self.frame, self.who = network, frame, who
        self.references = np.zeros(ELEMENTS)
        self.charge_references = np.zeros(2 * frame.charges + 1)
        self.scale = 1.0

    def evaluate(self, graph: Graph) -> Targets:
        """Energies without references, forces and virials of a graph."""
        return physical(self.network.evaluate(graph), graph, self.scale, self.frame.stress)

    def energies(self, graph: Graph) -> torch.Tensor:
        """Energies without references, shape (n,), float64, eV."""
        out = torch.zeros(len(graph), dtype=torch.float64, device=graph.numbers.device)
        out.index_add_(0, graph.sample, self.network.energies(graph).double())
        return out * self.scale

    def state(self) -> dict[str, NDArray[Any]]:
        """All of it under names, as copies."""
        named = self.network.state()
        units = {"references": self.references.copy(), "scale": np.array(self.scale)}
        units["cutoff"] = np.array(self.frame.cutoff)
        if self.frame.charges:
            units["charge_references"] = self.charge_references.copy()
        clash = sorted(named.keys() & units.keys())
        if clash:
            raise ValueError(f"{self.who}: its network has weights named {', '.join(clash)}, as the potential's own")
        return named | units

    def load(self, state: Mapping[str, NDArray[Any]], shaping: str) -> None:
        """Undo `state`.

        Parameters
        ----------
        state : mapping of str to ndarray
        shaping : str
            The options that the network's shape depends on, for messages.

        Raises
        ------
        ValueError
            If the numbers belong to a network of another shape.
        """
        self._check(state, f"use the {shaping} they were trained with")
        self.network.load({n: a for n, a in state.items() if n not in _UNITS})
        self.references = np.array(state["references"], np.float64)
        if self.frame.charges:
            self.charge_references = np.array(state["charge_references"], np.float64)
        self.scale = float(state["scale"])

    def _check(self, state: Mapping[str, NDArray[Any]], advice: str) -> None:
        shapes = {n: a.shape for n, a in self.state().items()}
        found = {n: a.shape for n, a in state.items()}
        for name, shape in shapes.items():
            if found.get(name) != shape:
                have = f"have shape {found[name]}" if name in found else "are missing"
                raise ValueError(f"{self.who}: weights {name!r} {have}, shape {shape} is wanted; {advice}")
        cutoff = self.frame.cutoff
        if float(state["cutoff"]) != cutoff or found.keys() != shapes.keys():
            extra = sorted(found.keys() - shapes.keys())
            what = f"hold {extra} too" if extra else f"are for a cutoff of {float(state['cutoff'])} Å, not {cutoff} Å"
            raise ValueError(f"{self.who}: these weights {what}; {advice}")


def predict(potentials: Sequence[Potential], batch: Batch) -> list[Batch]:
    """Predict every sample with every potential, whose frames are the same; the graph is built once.

    Samples with coordinates that are not finite or absurdly far get NaN.
    """
    first = potentials[0]
    frame = first.frame
    with first.network.mode():
        usable, clean = _usable(batch)
        graph = build(clean, frame.cutoff, frame.dtype, frame.device)
        parts: list[list[Targets]] = [[] for _ in potentials]
        for piece in graph.pieces(first.network.pairs_at_once):
            together = first.network.evaluate_together([p.network for p in potentials], piece)
            for mine, potential, evaluation in zip(parts, potentials, together, strict=True):
                mine.append(physical(evaluation, piece, potential.scale, frame.stress))
        out = []
        for potential, mine in zip(potentials, parts, strict=True):
            base = reference_energies(potential.references, clean.columns["numbers"], graph.atom_offsets)
            base += charge_energies(potential.charge_references, graph.charge.cpu().numpy())
            out.append(_labels(mine, graph, base, usable, frame.stress))
    return out


def _labels(
    parts: list[Targets], graph: Graph, base: NDArray[np.float64], usable: NDArray[np.bool_], stress: bool
) -> Batch:
    """What was predicted of a graph, as a batch."""
    columns = {
        "energy": base + _joined([p.energy for p in parts], (0,)),
        "forces": _joined([p.forces for p in parts], (0, 3)),
    }
    if stress:
        virial = _joined([p.virial for p in parts if p.virial is not None], (0, 3, 3))
        volume = graph.volume.cpu().numpy().astype(np.float64)
        columns["stress"] = virial / np.where(volume > 0, volume, 1.0)[:, None, None]
    if not usable.all():
        sizes = np.diff(graph.atom_offsets)
        for name, values in columns.items():
            values[np.repeat(~usable, sizes) if name == "forces" else ~usable] = np.nan
    return Batch(label_schema(stress), columns, graph.atom_offsets)


def _usable(batch: Batch) -> tuple[NDArray[np.bool_], Batch]:
    """Which samples can be predicted, and the batch with the others' coordinates zeroed."""
    positions = batch.columns["positions"]
    with np.errstate(invalid="ignore"):
        far = ~(np.abs(positions) < _FAR).all(axis=1)
    finite_cell: NDArray[np.bool_] = np.asarray(np.isfinite(batch.columns["cell"]).all(axis=(1, 2)))
    if not far.any() and finite_cell.all():
        return finite_cell, batch
    assert batch.offsets is not None  # noqa: S101 - the schema is ragged
    sample = np.repeat(np.arange(len(batch)), np.diff(batch.offsets))
    usable = finite_cell.copy()
    usable[sample[far]] = False
    lost = ~usable
    columns = {
        **batch.columns,
        "positions": np.where(lost[sample][:, None], 0.0, positions),
        "cell": np.where(lost[:, None, None], 0.0, batch.columns["cell"]),
        "pbc": batch.columns["pbc"] & usable[:, None],
    }
    return usable, Batch(batch.schema, columns, batch.offsets)


def _joined(parts: list[torch.Tensor], empty: tuple[int, ...]) -> NDArray[np.float64]:
    if not parts:
        return np.zeros(empty)
    out: NDArray[np.float64] = torch.cat(parts).cpu().numpy().astype(np.float64)
    return out
