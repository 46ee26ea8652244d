"""The network that the training base sees."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.learning.graph import Graph
from pal_ase.learning.network import Evaluation, TorchNetwork
from pal_ase.learning.states import state_rows
from pal_nequip.energies import AtomicEnergies, is_readout
from pal_nequip.library import Recipe
from pal_nequip.trace import Recording, record, tensors

__all__ = ["EquivariantNetwork"]

_OFTEN = 100
"""Predictions after which recording a network pays."""


class EquivariantNetwork(TorchNetwork):
    """NequIP or Allegro.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the weights.
    dtype : torch.dtype
    device : torch.device
    readouts_only : bool
        Freeze everything but the readout.
    inference : {"eager", "trace", "compile"}
        How to predict once it pays.
    """

    module: AtomicEnergies

    def __init__(
        self,
        recipe: Recipe,
        seed: int,
        dtype: torch.dtype,
        device: torch.device,
        *,
        readouts_only: bool = False,
        inference: Literal["eager", "trace", "compile"] = "eager",
    ) -> None:
        module = AtomicEnergies(recipe, seed)
        for name, parameter in module.named_parameters():
            parameter.requires_grad_(is_readout(name) or not readouts_only)
        super().__init__(module, dtype, device)
        self.recipe, self.dtype, self.device, self.inference = recipe, dtype, device, inference
        self._all_known = True
        self._predictions = 0
        self._early: tuple[int, Any] = (-1, None)

    def atomic_energies(self, graph: Graph, vectors: Tensor) -> Tensor:
        """Energies of the atoms in the network's unit; zero for atoms without neighbours."""
        if len(vectors) == 0:
            return vectors.new_zeros(len(graph.numbers))
        out: Tensor = self.module(self._types(graph), graph.first, graph.second, vectors)
        return out

    def evaluate(self, graph: Graph, training: bool = False) -> Evaluation:
        """Atomic energies and their derivatives; predictions of a network that predicts often run from a recording."""
        self._predictions += not training
        small = min(len(graph.numbers), len(graph.first)) < 2
        if training or small or self.inference == "eager" or self._predictions <= _OFTEN:
            return super().evaluate(graph, training)
        recording = _recording(self.recipe, self.dtype, self.device, self.inference == "compile")
        with torch.no_grad():
            early = self._weights_part(recording)
            return Evaluation(*recording.late(self._types(graph), graph.first, graph.second, graph.vectors, *early))

    def _weights_part(self, recording: Recording) -> Any:
        """What the recording needs of the weights, computed anew when they have changed."""
        own = list(tensors(self.module).values())
        version = self.flat._version + sum(t._version for t in own)
        if self._early[0] != version:
            self._early = version, recording.early(*own)
        return self._early[1]

    def _types(self, graph: Graph) -> Tensor:
        """The library's atom types.

        Raises
        ------
        ValueError
            If there are none for an element, or for the charge and multiplicity of a sample.
        """
        if not self._all_known:
            self._refuse_unknown(graph.numbers)
        options = self.recipe.options
        if not options.charge_embedding:
            return graph.numbers
        who = f"nequip.{self.recipe.kind}"
        charge, multiplicity = state_rows(graph, options.charges, options.multiplicities, who)
        return graph.numbers + ELEMENTS * (charge * options.multiplicities + multiplicity)[graph.sample]

    def _refuse_unknown(self, numbers: Tensor) -> None:
        strange = numbers[~self.module.known[numbers]]
        if len(strange):
            have = " ".join(s for s, known in zip(SYMBOLS, self.module.known.tolist(), strict=True) if known)
            raise ValueError(
                f"nequip.{self.recipe.kind}: a sample has {SYMBOLS[int(strange[0])]}; the model file that the weights "
                f"come from knows {have} only"
            )

    def prepare(self, graph: Graph) -> None:
        """Divide sums over neighbours by the root of their mean number, unless the options say by which."""
        mean = 2 * len(graph.first) / max(1, len(graph.numbers))
        if self.recipe.options.avg_num_neighbors is None and mean > 0:
            for norm in self.module.norms():
                norm.norm_const.fill_(mean**-0.5)

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Copy into parameters and buffers.

        Raises
        ------
        ValueError
            If the numbers belong to other shorter cutoffs.
        """
        name = "edge_norm._rmax_recip"
        mine = self.module.state_dict()[name].cpu().numpy()
        if not np.allclose(mine, state[name], rtol=1e-5):
            raise ValueError(
                f"nequip.{self.recipe.kind}: these weights are for another per_edge_type_cutoff; use the one they were "
                "trained with"
            )
        super().load(state)
        self._all_known = bool(np.all(state["known"]))

    def copy(self) -> EquivariantNetwork:
        """A network of its own with the same values."""
        out = super().copy()
        assert isinstance(out, EquivariantNetwork)  # noqa: S101 - for the type checker
        out._early = (-1, None)
        return out


@functools.cache
def _recording(recipe: Recipe, dtype: torch.dtype, device: torch.device, compiled: bool) -> Recording:
    """One for all members of a committee."""
    module = AtomicEnergies(recipe, 0).to(device, dtype)
    out = record(module, dtype)
    if compiled:
        return Recording(out.early, torch.compile(out.late, dynamic=True))
    return out
