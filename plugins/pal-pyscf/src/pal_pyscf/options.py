"""Options of the PySCF oracles. Light."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, NonNegativeInt, PositiveInt, model_validator

from pal_ase.electronic_options import ElectronicOptions
from pal_ase.response_options import ResponseOptions

__all__ = ["DftOptions", "PyscfOptions", "TddftOptions"]


class PyscfOptions(ElectronicOptions):
    """What both oracles understand beside the words that all programs share."""

    takes_libxc: ClassVar[bool] = True

    gradient_convergence: float = Field(
        1e-5,
        ge=1e-9,
        le=1e-3,
        description="largest norm of the orbital gradient of a converged SCF",
        json_schema_extra={"unit": "hartree"},
    )
    rescue: bool = Field(
        True, description="where the SCF does not converge, try again with a level shift, then to second order"
    )
    stability: Literal["auto", "off", "check", "follow"] = Field(
        "auto",
        description='analyse the stability of the SCF solution: "check" refuses an instability, "follow" mends it, '
        '"auto" does so where the second-order solver was needed, "off" never',
    )
    solvent_model: Literal["cosmo", "c-pcm", "ief-pcm", "ddcosmo"] = Field(
        "cosmo", description="continuum model of the option solvent"
    )
    grid_response: bool = Field(True, description="forces of a reference state include that the grid moves along")
    threads: PositiveInt | None = Field(None, description="OpenMP threads; left out: those of the process")
    memory: PositiveInt = Field(
        4000,
        description="PySCF keeps integrals in memory up to this, and on disk or not at all beyond",
        json_schema_extra={"unit": "MB"},
    )
    gpu: bool = Field(False, description="compute on the GPU, by GPU4PySCF")

    def level_of_theory(self) -> str:
        """What is computed, in words that leave no doubt."""
        model = "" if self.solvent is None else f"{self.solvent_model}; "
        return f"{super().level_of_theory()}; {model}PySCF"


class DftOptions(PyscfOptions):
    """Options of `pyscf.dft`."""


class TddftOptions(PyscfOptions, ResponseOptions):
    """Options of `pyscf.tddft`."""

    response_convergence: float = Field(
        1e-6,
        ge=1e-9,
        le=1e-3,
        description="largest norm of the residual of a converged state",
        json_schema_extra={"unit": "hartree"},
    )
    margin: NonNegativeInt = Field(
        2, description="states computed beyond those wanted and left out, so that none below is missed"
    )

    @model_validator(mode="after")
    def _gradients_exist(self) -> TddftOptions:
        if max(self.gradient_states, default=0) == 0:
            return self
        if self.density_fitting != "none":
            raise ValueError('PySCF has no forces of excited states with density fitting; density_fitting = "none"')
        if self.solvent is not None and self.solvent_model != "ddcosmo":
            raise ValueError(
                f'PySCF has no forces of excited states in {self.solvent_model}; solvent_model = "ddcosmo"'
            )
        return self
