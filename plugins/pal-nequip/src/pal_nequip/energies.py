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

__all__ = ["AtomicEnergies", "is_readout"]

_AFTER = ("per_type_energy_scale_shift", "total_energy_sum")
"""What the library does with atomic energies; references, unit and sum are the training's business here."""
_READOUTS = ("per_atom_energy_readout.", "edge_readout.")
_EMBEDDINGS = ("embed_module", "center_embed", "neighbor_embed")
_STATES = "pal_states"
"""Where Allegro finds types that tell charges and multiplicities apart; its cutoffs don't."""


class AtomicEnergies(torch.nn.Sequential):  # type: ignore[misc]
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
        modules = graph_model(recipe, seed).model.func._modules
        super().__init__(OrderedDict((name, part) for name, part in modules.items() if name not in _AFTER))
        self.register_buffer("known", torch.ones(ELEMENTS, dtype=torch.bool))
        for norm in self.norms():
            # Part of what a network computes with, so it belongs to its weights.
            norm._non_persistent_buffers_set.discard("norm_const")
        # Radial functions and what NequIP's layers make of them are the same in both directions of a pair.
        self.alike = recipe.kind == "nequip" and not recipe.options.per_edge_type_cutoff
        if self.alike:
            for name, part in self.named_children():
                if name.endswith("_convnet"):
                    part.conv.edge_mlp.register_forward_hook(_for_both_directions)
        self.states = recipe.options.charge_embedding
        if self.states:
            self._tell_states_apart(2 * recipe.options.charges + 1, recipe.options.multiplicities, seed)

    def norms(self) -> list[Any]:
        """Modules that divide sums over neighbours."""
        return [m for m in self.modules() if isinstance(m, AvgNumNeighborsNorm)]

    def _tell_states_apart(self, charges: int, multiplicities: int, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        for module in list(self.modules()):
            for name in _EMBEDDINGS:
                found = getattr(module, name, None)
                if isinstance(found, torch.nn.Embedding):
                    setattr(module, name, StateEmbedding(found, charges, multiplicities, generator))
                    module.edge_type_field = _STATES

    def forward(self, types: Tensor, first: Tensor, second: Tensor, vectors: Tensor) -> Tensor:
        """Energies in the network's unit, shape (atoms,).

        Parameters
        ----------
        types : Tensor of int64, shape (atoms,)
            Atomic number plus, where states are told apart, 119 times the number of the state.
        first, second : Tensor of int64, shape (pairs,)
        vectors : Tensor, shape (pairs, 3)
            From first to second, Å.
        """
        # Floored, so that coinciding atoms have a derivative: none.
        length = vectors.square().sum(1, keepdim=True).clamp(min=1e-12).sqrt()
        edges = torch.stack([torch.cat([first, second]), torch.cat([second, first])])
        data = {
            Keys.POSITIONS_KEY: vectors.new_zeros((types.shape[0], 3)),
            Keys.ATOM_TYPE_KEY: types,
            Keys.EDGE_INDEX_KEY: edges,
            Keys.EDGE_VECTORS_KEY: torch.cat([vectors, -vectors]),
            Keys.EDGE_LENGTH_KEY: length if self.alike else torch.cat([length, length]),
        }
        if self.states:
            data[Keys.EDGE_TYPE_KEY] = torch.remainder(types, ELEMENTS)[edges]
        for part in self:
            data = part(data)
        return data[Keys.PER_ATOM_ENERGY_KEY].view(-1)


class StateEmbedding(torch.nn.Module):  # type: ignore[misc]
    """Embedding of an element plus small ones of its sample's charge and multiplicity.

    Parameters
    ----------
    elements : torch.nn.Embedding
        The library's.
    charges, multiplicities : int
        How many there are.
    generator : torch.Generator
    """

    def __init__(
        self, elements: torch.nn.Embedding, charges: int, multiplicities: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.elements, self.multiplicities = elements, multiplicities
        width, dtype = elements.embedding_dim, elements.weight.dtype
        rows = 0.1 * torch.randn((charges + multiplicities, width), generator=generator, dtype=torch.float64)
        self.charge = torch.nn.Parameter(rows[:charges].to(dtype))
        self.multiplicity = torch.nn.Parameter(rows[charges:].to(dtype))

    def forward(self, types: Tensor) -> Tensor:
        """Of atoms or pairs, shape (…, features)."""
        lookup = torch.nn.functional.embedding
        state = torch.div(types, ELEMENTS, rounding_mode="floor")
        charge = torch.div(state, self.multiplicities, rounding_mode="floor")
        rest = torch.remainder(state, self.multiplicities)
        elements: Tensor = self.elements(torch.remainder(types, ELEMENTS))
        return elements + lookup(charge, self.charge) + lookup(rest, self.multiplicity)


def _for_both_directions(module: torch.nn.Module, arguments: Any, out: Tensor) -> Tensor:
    return torch.cat([out, out])


def is_readout(name: str) -> bool:
    """Whether a parameter of this name belongs to the last network."""
    return name.startswith(_READOUTS)
