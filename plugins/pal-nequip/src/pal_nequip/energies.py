"""Atomic energies as a torch module: the library's modules up to them, from pairs instead of positions."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

import torch
from nequip.data import AtomicDataDict as Keys
from nequip.nn import AvgNumNeighborsNorm
from torch import Tensor

from pal_ase.elements import ELEMENTS
from pal_nequip.library import Recipe, graph_model

__all__ = ["AtomicEnergies", "readouts"]

_AFTER = ("per_type_energy_scale_shift", "total_energy_sum")
"""What the library does with atomic energies; references, unit and sum are the training's business here."""
_READOUTS = ("per_atom_energy_readout", "edge_readout")
_EMBEDDINGS = ("embed_module", "center_embed", "neighbor_embed")


class AtomicEnergies(torch.nn.Sequential):
    """Energies of atoms from their types and the vectors between them.

    Parameters
    ----------
    recipe : Recipe
    seed : int
        Of the weights.

    Attributes
    ----------
    known : Tensor of bool, shape (119,)
        Elements that may be predicted: all, unless the weights come from a model file of fewer.
    """

    known: Tensor

    def __init__(self, recipe: Recipe, seed: int) -> None:
        model: Any = graph_model(recipe, seed)
        modules = model.model.func._modules
        super().__init__(OrderedDict((name, part) for name, part in modules.items() if name not in _AFTER))
        self.register_buffer("known", torch.ones(ELEMENTS, dtype=torch.bool))
        for norm in self.norms():
            # Part of what a network computes with, so it belongs to its weights.
            norm._non_persistent_buffers_set.discard("norm_const")
        if recipe.options.states:
            self._tell_states_apart(recipe.states)

    def norms(self) -> list[Any]:
        """Modules that divide sums over neighbours."""
        return [m for m in self.modules() if isinstance(m, AvgNumNeighborsNorm)]

    def _tell_states_apart(self, states: int) -> None:
        for module in list(self.modules()):
            for name in _EMBEDDINGS:
                if isinstance(getattr(module, name, None), torch.nn.Embedding):
                    setattr(module, name, StateEmbedding(getattr(module, name), states))

    def forward(self, types: Tensor, first: Tensor, second: Tensor, vectors: Tensor) -> Tensor:
        """Energies in the network's unit, shape (atoms,).

        Parameters
        ----------
        types : Tensor of int64, shape (atoms,)
            Atomic number plus 119 times the number of the state.
        first, second : Tensor of int64, shape (pairs,)
        vectors : Tensor, shape (pairs, 3)
            From first to second, Å.
        """
        # Floored, so that coinciding atoms have a derivative: none.
        length = vectors.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        data = {
            Keys.POSITIONS_KEY: vectors.new_zeros((types.shape[0], 3)),
            Keys.ATOM_TYPE_KEY: types,
            Keys.EDGE_INDEX_KEY: torch.stack([torch.cat([first, second]), torch.cat([second, first])]),
            Keys.EDGE_VECTORS_KEY: torch.cat([vectors, -vectors]),
            Keys.EDGE_LENGTH_KEY: torch.cat([length, length]),
        }
        for part in self:
            data = part(data)
        return data[Keys.PER_ATOM_ENERGY_KEY].view(-1)


class StateEmbedding(torch.nn.Module):
    """Embedding of an element plus one of the state of its sample, which is zero before training.

    Parameters
    ----------
    elements : torch.nn.Embedding
        The library's, with a row for every type; of its rows those of the first state are kept.
    states : int
    """

    def __init__(self, elements: torch.nn.Embedding, states: int) -> None:
        super().__init__()
        rows = elements.weight.detach()[:ELEMENTS].clone()
        self.elements = torch.nn.Parameter(rows)
        self.states = torch.nn.Parameter(rows.new_zeros((states, rows.shape[1])))

    def forward(self, types: Tensor) -> Tensor:
        """Of atoms or pairs, shape (…, features)."""
        number = torch.remainder(types, ELEMENTS)
        state = torch.div(types, ELEMENTS, rounding_mode="floor")
        return torch.nn.functional.embedding(number, self.elements) + torch.nn.functional.embedding(state, self.states)


def readouts(module: AtomicEnergies) -> list[torch.nn.Parameter]:
    """Weights of the last network only."""
    return [p for name, part in module.named_children() if name in _READOUTS for p in part.parameters()]
