"""Options of oracles for excited states: the same words for every program. Light."""

from __future__ import annotations

from typing import Literal

from pal_core.options import Interface
from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pal_ase.electronic_options import ElectronicOptions
from pal_ase.schema import SAMPLE, label_schema
from pal_ase.state_schema import state_schema

__all__ = ["ResponseOptions"]


class ResponseOptions(ElectronicOptions):
    """A reference state, and excited states as its linear response."""

    states: PositiveInt = Field(3, description="excited states, from the lowest")
    response: Literal["tddft", "tda"] = Field(
        "tddft",
        description="full linear response (time-dependent DFT or Hartree-Fock), or the Tamm-Dancoff approximation",
    )
    spin: Literal["singlet", "triplet"] = Field(
        "singlet", description="of the excited states of a restricted reference; others' states are not spin-pure"
    )
    gradients: Literal["all"] | tuple[NonNegativeInt, ...] = Field(
        "all", description="states whose forces are computed, 0 is the ground state; others' are zero and marked"
    )
    surface: NonNegativeInt | None = Field(
        None, description="label energy and forces of this state only, for models of one surface"
    )

    @model_validator(mode="after")
    def _states_exist(self) -> ResponseOptions:
        if self.surface is not None and self.gradients not in ("all", (self.surface,)):
            raise ValueError("surface labels the forces of its state only; leave gradients out")
        wanted = self.gradient_states
        if max(wanted, default=0) > self.states:
            name = "surface" if self.surface is not None else "gradients"
            raise ValueError(f"{name} names state {max(wanted)}, but states = {self.states}")
        return self

    @model_validator(mode="after")
    def _spin_is_defined(self) -> ResponseOptions:
        if self.reference == "restricted-open":
            raise ValueError("excited states need a restricted or an unrestricted reference")
        if self.spin == "triplet" and self.reference == "unrestricted":
            raise ValueError('states of an unrestricted reference are neither singlets nor triplets; spin = "singlet"')
        return self

    @property
    def gradient_states(self) -> tuple[int, ...]:
        """States whose forces are to be computed, in order."""
        if self.surface is not None:
            return (self.surface,)
        return tuple(range(self.states + 1)) if self.gradients == "all" else tuple(sorted(set(self.gradients)))

    def level_of_theory(self) -> str:
        """What is computed, in words that leave no doubt."""
        method = {"tddft": "full linear response", "tda": "Tamm-Dancoff approximation"}[self.response]
        return f"{super().level_of_theory()}; {self.states} {self._kind_of_states()} by {method}"

    def _kind_of_states(self) -> str:
        if self.spin == "triplet" or self.reference == "restricted":
            return f"{self.spin} states"
        if self.reference == "unrestricted":
            return "states of either spin"
        return "singlet states (of multiplicities other than 1: states of either spin)"

    def interface(self) -> Interface:
        """Samples of pal-ase in; all states out, or one of them as if there were no others."""
        label = label_schema() if self.surface is not None else state_schema(self.states)
        return Interface(consumes=SAMPLE, produces=label)
