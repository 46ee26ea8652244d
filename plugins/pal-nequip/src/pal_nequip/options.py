"""Options of NequIP and Allegro committees, in the libraries' words where they have one. Light."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS
from pal_ase.learning_options import FineTuningOptions

__all__ = ["AllegroOptions", "EquivariantOptions", "NequipOptions"]

_COMMON = (
    "cutoff",
    "per_edge_type_cutoff",
    "avg_num_neighbors",
    "num_bessels",
    "polynomial_cutoff_p",
    "charges",
    "multiplicities",
)
"""What a model file determines of both; sizes of the network come on top."""
Cutoffs = dict[str, PositiveFloat | dict[str, PositiveFloat]]
"""Å by the symbol of the central atom, or by it and its neighbour's."""


class EquivariantOptions(FineTuningOptions):
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
    inference: Literal["eager", "trace", "compile"] = Field(
        "trace",
        description="how a network runs after its hundredth prediction: as before, as a recorded list of operations, "
        "or that list compiled, which takes minutes and a C++ compiler",
    )

    @classmethod
    def architecture(cls) -> tuple[str, ...]:
        """Options that a model file determines."""
        return (*_COMMON, *(name for name in cls.model_fields if name not in EquivariantOptions.model_fields))

    @field_validator("per_edge_type_cutoff")
    @classmethod
    def _known_symbols(cls, cutoffs: Cutoffs) -> Cutoffs:
        named = set(cutoffs).union(*(c for c in cutoffs.values() if isinstance(c, dict)))
        unknown = sorted(named - set(SYMBOLS[1:]))
        if unknown:
            raise ValueError(f"no chemical elements: {', '.join(unknown)}")
        return cutoffs

    @model_validator(mode="after")
    def _shorter_cutoffs(self) -> EquivariantOptions:
        values = [c for v in self.per_edge_type_cutoff.values() for c in (v.values() if isinstance(v, dict) else [v])]
        if values and max(values) > self.cutoff:
            raise ValueError(f"per_edge_type_cutoff: {max(values)} Å is more than the cutoff, {self.cutoff} Å")
        return self


class NequipOptions(EquivariantOptions):
    """Options of `nequip.nequip`."""

    num_layers: PositiveInt = Field(3, description="layers in which atoms see their neighbours")
    l_max: NonNegativeInt = Field(1, description="highest rotation order of the features")
    parity: bool = Field(False, description="features of both mirror parities for every order")
    num_features: PositiveInt | tuple[PositiveInt, ...] = Field(
        32, description="features of every order and parity, or a list by order"
    )
    type_embed_num_features: PositiveInt = Field(16, description="numbers that describe an element")
    radial_mlp_depth: PositiveInt = Field(1, description="hidden layers of the radial networks")
    radial_mlp_width: PositiveInt = Field(64, description="their width")
    readout_mlp_hidden_layers_depth: NonNegativeInt = Field(0, description="hidden layers of the readout")
    readout_mlp_hidden_layers_width: PositiveInt = Field(32, description="their width")

    @model_validator(mode="after")
    def _features_by_order(self) -> NequipOptions:
        found = self.num_features
        if isinstance(found, tuple) and len(found) != self.l_max + 1:
            raise ValueError(f"num_features lists {len(found)} orders; l_max = {self.l_max} has {self.l_max + 1}")
        return self


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
