"""A network with its units: what a member knows when it predicts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pal_core.data import Batch

from pal_ase.schema import label_schema
from pal_schnet.graph import Graph, build
from pal_schnet.network import evaluate
from pal_schnet.objective import Targets, physical
from pal_schnet.parameters import ELEMENTS, Parameters
from pal_schnet.reference import reference_energies

__all__ = ["Potential"]

_FAR = 1e5
"""Coordinates (Å) beyond this are an explosion and not predicted."""


class Potential:
    """Energies, forces and stress of samples.

    Parameters
    ----------
    parameters : Parameters
    stress : bool
        Whether to predict it.

    Attributes
    ----------
    references : ndarray of float64, shape (119,)
        Energy of each element, eV.
    scale : float
        The network's unit of energy, eV; 1 before any training.
    """

    def __init__(self, parameters: Parameters, stress: bool) -> None:
        self.parameters = parameters
        self.stress = stress
        self.references = np.zeros(ELEMENTS)
        self.scale = 1.0

    def predict(self, batch: Batch) -> Batch:
        """Predict every sample; those with coordinates that are not finite or absurdly far get NaN."""
        usable, clean = _usable(batch)
        flat = self.parameters.flat
        graph = build(clean, self.parameters.architecture.cutoff, flat.dtype, flat.device)
        parts = [self.evaluate(piece) for piece in graph.pieces()]
        base = reference_energies(self.references, clean.columns["numbers"], graph.atom_offsets)
        columns = {
            "energy": base + _joined([p.energy for p in parts], (0,)),
            "forces": _joined([p.forces for p in parts], (0, 3)),
        }
        if self.stress:
            virial = _joined([p.virial for p in parts if p.virial is not None], (0, 3, 3))
            volume = graph.volume.cpu().numpy().astype(np.float64)
            columns["stress"] = virial / np.where(volume > 0, volume, 1.0)[:, None, None]
        if not usable.all():
            sizes = np.diff(graph.atom_offsets)
            for name, values in columns.items():
                values[np.repeat(~usable, sizes) if name == "forces" else ~usable] = np.nan
        return Batch(label_schema(self.stress), columns, graph.atom_offsets)

    def evaluate(self, graph: Graph) -> Targets:
        """Energies without references, forces and virials of a graph."""
        return physical(evaluate(self.parameters, graph), graph, self.scale, self.stress)

    def energies(self, graph: Graph) -> torch.Tensor:
        """Energies without references, shape (n,), eV."""
        return torch.cat([self.evaluate(piece).energy for piece in graph.pieces()])

    def state(self) -> dict[str, NDArray[Any]]:
        """All of it under names, as copies."""
        named = {n: t.cpu().numpy().copy() for n, t in self.parameters.named.items()}
        cutoff = np.array(self.parameters.architecture.cutoff)
        return named | {"references": self.references.copy(), "scale": np.array(self.scale), "cutoff": cutoff}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo `state`.

        Raises
        ------
        ValueError
            If the numbers belong to a network of another shape.
        """
        shapes = {n: tuple(t.shape) for n, t in self.parameters.named.items()}
        shapes |= {"references": (ELEMENTS,), "scale": (), "cutoff": ()}
        found = {n: a.shape for n, a in state.items()}
        advice = "use the cutoff, features, interactions and basis they were trained with"
        for name, shape in shapes.items():
            if found.get(name) != shape:
                have = f"have shape {found[name]}" if name in found else "are missing"
                raise ValueError(f"schnet.committee: weights {name!r} {have}, shape {shape} is wanted; {advice}")
        cutoff = self.parameters.architecture.cutoff
        if float(state["cutoff"]) != cutoff or found.keys() != shapes.keys():
            extra = sorted(found.keys() - shapes.keys())
            what = f"hold {extra} too" if extra else f"are for a cutoff of {float(state['cutoff'])} Å, not {cutoff} Å"
            raise ValueError(f"schnet.committee: these weights {what}; {advice}")
        for name, tensor in self.parameters.named.items():
            tensor.copy_(torch.from_numpy(np.array(state[name])))
        self.references = np.array(state["references"], np.float64)
        self.scale = float(state["scale"])


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
