"""Options of oracles that solve for electrons: the same words for every program. Light."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import Field, PositiveFloat, PositiveInt, field_validator, model_validator

from pal_ase.elements import SYMBOLS
from pal_ase.functionals import FUNCTIONALS, check_functional
from pal_ase.schema import SAMPLE, label_schema

__all__ = ["PRESETS", "SOLVENTS", "ElectronicOptions", "Preset", "PerElement", "of_element"]

Preset = Literal["b3lyp-6-31gs-tddft", "bmk-def2-tzvpd", "tpss-dhf-tzvp"]
PerElement = str | dict[str, str]
"""One name for all elements, or names by symbol, with ``default`` for those that aren't there."""

PRESETS: dict[str, dict[str, Any]] = {
    "b3lyp-6-31gs-tddft": {
        "functional": "b3lyp-vwn5",
        "basis": "6-31g*",
        "density_fitting": "none",
        "response": "tddft",
    },
    "bmk-def2-tzvpd": {
        "functional": "bmk",
        "basis": "def2-tzvpd",
        "reference": "unrestricted",
        "density_fitting": "coulomb-exchange",
    },
    "tpss-dhf-tzvp": {"functional": "tpss", "basis": "dhf-tzvp", "density_fitting": "coulomb"},
}
"""Levels of theory of the PAL paper. It names functional and basis set; the rest is said here."""

SOLVENTS = {
    "acetone": 20.7,
    "acetonitrile": 35.7,
    "chloroform": 4.8,
    "dichloromethane": 8.9,
    "dmso": 46.7,
    "ethanol": 24.6,
    "hexane": 1.9,
    "methanol": 32.6,
    "thf": 7.4,
    "toluene": 2.4,
    "water": 78.4,
}
"""Dielectric constants at 298 K (CRC Handbook of Chemistry and Physics)."""

_REFERENCES = {
    "auto": "restricted for singlets, unrestricted for other multiplicities",
    "restricted": "restricted, singlets only",
    "unrestricted": "unrestricted",
    "restricted-open": "restricted open-shell",
}
_FITTING = {
    "none": "exact integrals",
    "coulomb": "density fitting of Coulomb integrals (RI-J)",
    "coulomb-exchange": "density fitting of Coulomb and exchange integrals (RI-JK)",
}


class ElectronicOptions(KernelOptions):
    """What every program that computes electrons understands, with the same meaning."""

    takes_libxc: ClassVar[bool] = False
    """Whether ``functional = "libxc:..."`` is welcome."""

    preset: Preset | None = Field(
        None, description="level of theory of the PAL paper; other options given beside it come first"
    )
    functional: str = Field(
        "b3lyp-vwn5", description='density functional by a name that means one thing; "hf" for Hartree-Fock'
    )
    basis: PerElement = Field(
        "def2-svp", description='basis set, or a table by element symbol and "default"; spherical functions'
    )
    ecp: PerElement = Field(
        "auto", description='effective core potentials: "auto" (those of the basis set), "none", a name, or a table'
    )
    reference: Literal["auto", "restricted", "unrestricted", "restricted-open"] = Field(
        "auto", description='"auto": restricted for singlets, unrestricted for others'
    )
    density_fitting: Literal["none", "coulomb", "coulomb-exchange"] = Field(
        "none", description="integrals that are approximated by density fitting (RI-J, RI-JK)"
    )
    dispersion: Literal["none", "d3bj", "d4"] = Field(
        "none", description="correction for dispersion: D3 with Becke-Johnson damping, or D4"
    )
    grid: Literal["coarse", "medium", "fine", "finest"] = Field(
        "medium", description="grid on which the functional is integrated"
    )
    solvent: str | PositiveFloat | None = Field(
        None, description="implicit solvent by name or by its dielectric constant; left out: gas phase"
    )
    energy_convergence: float = Field(
        1e-8,
        ge=1e-12,
        le=1e-5,
        description="an SCF cycle that changes the energy by less is the last one",
        json_schema_extra={"unit": "hartree"},
    )
    max_iterations: PositiveInt = Field(100, description="SCF iterations of each attempt")
    reuse_orbitals: bool = Field(
        False, description="start from the orbitals of the nearest geometry labelled by the same worker"
    )
    closest: PositiveFloat = Field(
        0.3, description="refuse samples with two atoms closer than this", json_schema_extra={"unit": "Å"}
    )

    @model_validator(mode="before")
    @classmethod
    def _preset_first(cls, data: Any) -> Any:
        if not isinstance(data, Mapping) or data.get("preset") not in PRESETS:
            return data
        meant = {k: v for k, v in PRESETS[data["preset"]].items() if k in cls.model_fields}
        return meant | dict(data)

    @field_validator("functional")
    @classmethod
    def _known_functional(cls, name: str) -> str:
        return check_functional(name, libxc=cls.takes_libxc)

    @field_validator("basis", "ecp")
    @classmethod
    def _known_elements(cls, names: PerElement) -> PerElement:
        if isinstance(names, dict):
            unknown = [s for s in names if s not in SYMBOLS[1:] and s != "default"]
            if unknown:
                raise ValueError(f'{unknown[0]!r} is no element symbol; symbols and "default" are wanted')
        if not names or not all(names.values() if isinstance(names, dict) else (names,)):
            raise ValueError("a name is empty")
        return names

    @field_validator("solvent")
    @classmethod
    def _known_solvent(cls, solvent: str | float | None) -> str | float | None:
        if isinstance(solvent, str) and solvent not in SOLVENTS:
            raise ValueError(
                f"no dielectric constant of {solvent!r} is known; give it, or one of {', '.join(SOLVENTS)}"
            )
        if isinstance(solvent, float) and solvent <= 1:
            raise ValueError(f"a dielectric constant is above 1, found {solvent}")
        return solvent

    @model_validator(mode="after")
    def _dispersion_has_parameters(self) -> ElectronicOptions:
        known = FUNCTIONALS.get(self.functional)
        if self.dispersion != "none" and (known is None or self.dispersion not in known.dispersion):
            raise ValueError(f"dispersion = {self.dispersion!r} has no parameters for {self.functional!r}")
        return self

    @property
    def dielectric_constant(self) -> float | None:
        """Of the solvent; None in the gas phase."""
        return SOLVENTS[self.solvent] if isinstance(self.solvent, str) else self.solvent

    def level_of_theory(self) -> str:
        """What is computed, in words that leave no doubt."""
        known = FUNCTIONALS.get(self.functional)
        parts = [
            f"{self.functional}: {known.meaning}" if known else self.functional,
            f"basis {_spelled(self.basis)} (spherical)",
            f"ECPs {'of the basis' if self.ecp == 'auto' else _spelled(self.ecp)}",
            _REFERENCES[self.reference],
            _FITTING[self.density_fitting],
        ]
        if self.dispersion != "none":
            parts.append({"d3bj": "D3(BJ) without three-body term", "d4": "D4"}[self.dispersion])
        if self.functional != "hf":
            parts.append(f"{self.grid} grid")
        parts.append(f"solvent with dielectric constant {self.dielectric_constant}" if self.solvent else "gas phase")
        return "; ".join(parts)

    def interface(self) -> Interface:
        """Samples of pal-ase in, energy and forces out."""
        return Interface(consumes=SAMPLE, produces=label_schema())


def _spelled(names: PerElement) -> str:
    return names if isinstance(names, str) else ", ".join(f"{k} {v}" for k, v in sorted(names.items()))


def of_element(names: PerElement, symbol: str) -> str | None:
    """Name for an element, or None if there is none for it."""
    return names if isinstance(names, str) else names.get(symbol, names.get("default"))
