"""Options of the Turbomole oracles. Light."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pal_core.options import KernelOptions
from pydantic import Field, NonNegativeFloat, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.electronic_options import ElectronicOptions
from pal_ase.response_options import ResponseOptions

__all__ = ["DftOptions", "ProgramOptions", "TddftOptions"]


class ProgramOptions(KernelOptions):
    """What only Turbomole understands: its installation, its programs, their convergence."""

    turbodir: Path | None = Field(
        None, description="folder of Turbomole; left out: that of the environment variable TURBODIR"
    )
    check_licence: bool = Field(True, description="refuse to start where Turbomole has no licence file")
    parallel: Literal["serial", "smp", "mpi"] = Field(
        "serial", description="which of Turbomole's programs are run (its PARA_ARCH)"
    )
    cores: PositiveInt = Field(1, description="threads (smp) or processes (mpi) of each program")
    memory: PositiveInt = Field(
        500, description="memory for integrals and for the response, per core", json_schema_extra={"unit": "MiB"}
    )
    density_convergence: float = Field(
        1e-7, ge=1e-10, le=1e-4, description="the root mean square change of the density matrix that ends an SCF"
    )
    damping: tuple[NonNegativeFloat, NonNegativeFloat, NonNegativeFloat] = Field(
        (0.7, 0.05, 0.05), description="weight of the old Fock matrix: at the start, its step, its smallest value"
    )
    level_shift: PositiveFloat | None = Field(
        None,
        description="occupied orbitals are shifted by this; left out: virtual ones, while the gap is below 0.1 hartree",
        json_schema_extra={"unit": "hartree"},
    )
    functional_lines: tuple[str, ...] = Field(
        (), description='lines of $dft instead of Turbomole\'s name of the functional: ["functional libxc 279", …]'
    )
    define_limit: PositiveFloat = Field(120.0, description="time that define may take", json_schema_extra={"unit": "s"})
    program_limit: PositiveFloat | None = Field(
        None, description="time that each other program may take", json_schema_extra={"unit": "s"}
    )
    keep_failed: Path | None = Field(
        None, description="folder to which the files of labels that failed are moved; left out: they are removed"
    )

    @field_validator("functional_lines")
    @classmethod
    def _lines_of_dft(cls, lines: tuple[str, ...]) -> tuple[str, ...]:
        wrong = next(
            (line for line in lines if "$" in line or "\n" in line or not line.startswith("functional ")), None
        )
        if wrong is not None:
            raise ValueError(f'a line that begins with "functional " is wanted, found {wrong!r}')
        return lines


class _TurbomoleOptions(ProgramOptions, ElectronicOptions):
    """Checks of what depends on both."""

    @model_validator(mode="after")
    def _possible(self) -> _TurbomoleOptions:
        if self.reference == "restricted-open":
            raise ValueError("Turbomole has no restricted open-shell DFT; take reference = 'unrestricted' or 'auto'")
        if self.parallel == "serial" and self.cores != 1:
            raise ValueError(f"cores = {self.cores} needs parallel = 'smp' or 'mpi'")
        if self.functional_lines and self.functional == "hf":
            raise ValueError("functional = 'hf' has no functional_lines")
        return self

    def level_of_theory(self) -> str:
        """What is computed, in words that leave no doubt."""
        text = super().level_of_theory() + "; Turbomole"
        return f"{text} with {', '.join(self.functional_lines)}" if self.functional_lines else text


class DftOptions(_TurbomoleOptions):
    """Options of `turbomole.dft`."""


class TddftOptions(ResponseOptions, _TurbomoleOptions):
    """Options of `turbomole.tddft`."""

    response_convergence: PositiveInt = Field(
        6, le=9, description="excitations converge to a residual norm of 10 to the minus this"
    )

    @model_validator(mode="after")
    def _forces_are_derivatives(self) -> TddftOptions:
        if self.dispersion != "none" and any(self.gradient_states):
            raise ValueError(
                "it isn't known whether egrad's gradients hold the correction for dispersion: "
                "leave dispersion or the gradients of excited states out"
            )
        return self
