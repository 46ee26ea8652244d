"""Options of NequIP and Allegro committees, in the libraries' words where they have one. Light."""

from __future__ import annotations

from typing import Literal

from pal_core.options import Interface
from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS
from pal_ase.learning_options import LearningOptions
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["AllegroOptions", "EquivariantOptions", "NequipOptions"]

Cutoffs = dict[str, PositiveFloat | dict[str, PositiveFloat]]
"""Å by the symbol of the central atom, or by it and its neighbour's."""
State = tuple[int, PositiveInt]
"""Charge and multiplicity."""


class EquivariantOptions(LearningOptions):
    """What both architectures have in common."""

    per_edge_type_cutoff: Cutoffs = Field(
        {},
        description="shorter cutoffs, by the symbol of the central atom or by it and its neighbour's, such as "
        "{ H = 3.5, O = { H = 3.0 } }",
        json_schema_extra={"unit": "Å"},
    )
    avg_num_neighbors: PositiveFloat | None = Field(
        None,
        description="sums over neighbours are divided by its square root; none: the mean in the first training data",
    )
    num_bessels: PositiveInt = Field(8, description="radial basis functions")
    polynomial_cutoff_p: int = Field(6, ge=2, description="exponent of the envelope: a smaller one decays earlier")
    states: list[State] = Field(
        [],
        description="pairs of charge (e) and multiplicity to tell apart, such as [[0, 1], [0, 2], [1, 2]]; none: both "
        "are ignored",
    )
    train: Literal["all", "readouts"] = Field(
        "all", description='all weights, or the "readouts" on top of the frozen ones that `weights` gives'
    )
    inference: Literal["eager", "trace", "compile"] = Field(
        "trace",
        description="how a network runs after its hundredth prediction: as before, as a recorded list of operations, "
        "or that list compiled, which takes minutes and a C++ compiler",
    )

    @field_validator("per_edge_type_cutoff")
    @classmethod
    def _known_symbols(cls, cutoffs: Cutoffs) -> Cutoffs:
        named = set(cutoffs).union(*(c for c in cutoffs.values() if isinstance(c, dict)))
        unknown = sorted(named - set(SYMBOLS[1:]))
        if unknown:
            raise ValueError(f"no chemical elements: {', '.join(unknown)}")
        return cutoffs

    @field_validator("states")
    @classmethod
    def _different(cls, states: list[State]) -> list[State]:
        if len(set(states)) < len(states):
            raise ValueError("a state occurs twice")
        return states

    @model_validator(mode="after")
    def _only_shorter(self) -> EquivariantOptions:
        values = [c for v in self.per_edge_type_cutoff.values() for c in (v.values() if isinstance(v, dict) else [v])]
        if values and max(values) > self.cutoff:
            raise ValueError(f"per_edge_type_cutoff: {max(values)} Å is more than the cutoff, {self.cutoff} Å")
        return self

    @model_validator(mode="after")
    def _trained_trunk(self) -> EquivariantOptions:
        if self.train == "readouts" and self.weights is None:
            raise ValueError('train = "readouts" stands on trained weights: give option weights')
        return self

    def interface(self) -> Interface:
        """Numbers, positions and cell, with `states` charge and multiplicity in; energy, forces, maybe stress out."""
        names = ["numbers", "positions", "cell", "pbc", *(["charge", "multiplicity"] if self.states else [])]
        return Interface(SAMPLE.pick(names), label_schema(self.stress))


class NequipOptions(EquivariantOptions):
    """Options of `nequip.nequip`."""

    num_layers: PositiveInt = Field(3, description="layers in which atoms see their neighbours")
    l_max: NonNegativeInt = Field(1, description="highest rotation order of the features")
    parity: bool = Field(False, description="features of both mirror parities for every order")
    num_features: PositiveInt = Field(32, description="features of every order (and parity)")
    type_embed_num_features: PositiveInt = Field(16, description="numbers that describe an element")
    radial_mlp_depth: PositiveInt = Field(1, description="hidden layers of the radial networks")
    radial_mlp_width: PositiveInt = Field(64, description="their width")
    readout_mlp_hidden_layers_depth: NonNegativeInt = Field(0, description="hidden layers of the readout")
    readout_mlp_hidden_layers_width: PositiveInt = Field(32, description="their width")


class AllegroOptions(EquivariantOptions):
    """Options of `nequip.allegro`."""

    num_layers: PositiveInt = Field(2, description="tensor products one after the other; each adds a body")
    l_max: NonNegativeInt = Field(1, description="highest rotation order of the features")
    parity: bool = Field(True, description="features of both mirror parities for every order")
    num_scalar_features: int = Field(64, ge=2, multiple_of=2, description="scalar features of a pair")
    num_tensor_features: PositiveInt = Field(16, description="tensor features of a pair")
    scalar_embed_mlp_hidden_layers_depth: NonNegativeInt = Field(1, description="hidden layers of the embedding")
    scalar_embed_mlp_hidden_layers_width: PositiveInt = Field(64, description="their width")
    allegro_mlp_hidden_layers_depth: NonNegativeInt = Field(1, description="hidden layers within an Allegro layer")
    allegro_mlp_hidden_layers_width: PositiveInt = Field(64, description="their width")
    tp_path_channel_coupling: bool = Field(True, description="weights of the tensor products differ by channel")
    readout_mlp_hidden_layers_depth: NonNegativeInt = Field(1, description="hidden layers of the readout")
    readout_mlp_hidden_layers_width: PositiveInt = Field(32, description="their width")
