"""Kernels and options of other shapes than the toys', for settings tests. Importing it is harmless."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, Field, FilePath, PositiveFloat

from pal_core.data import Field as Column
from pal_core.data import Schema
from pal_core.hookspecs import hookimpl
from pal_core.options import Interface, KernelOptions
from pal_core.spec import KernelSpec, Role

POINT = Column("x", "float64", (2,))
ENERGY = Column("energy")
FORCES = Column("forces", "float64", ("atoms", 3), "eV/Å")


class Basis(BaseModel):
    file: Path = Path("basis.dat")
    size: int = 1


class WalkerOptions(KernelOptions):
    structure: FilePath = Field(description="start structure")
    temperature: PositiveFloat = Field(300.0, description="temperature of the bath", json_schema_extra={"unit": "K"})
    extra: Path | Literal["none"] = Field("none", description="a file or nothing")
    anything: str | Path = Field("", description="a name or a file")
    basis: Basis = Field(Basis(), description="nested")
    files: tuple[Path, ...] = Field((), description="many files")
    named: dict[str, Path] = Field({}, description="files by name")
    charges: dict[int, float] = Field({}, description="numbers by number")

    def interface(self) -> Interface:
        return Interface(consumes=Schema([FORCES]), produces=Schema([POINT]))


class CorrelatorOptions(WalkerOptions):
    pair: tuple[str, str]

    def interface(self) -> Interface:
        return Interface(produces=Schema([POINT]), covariances=(self.pair,))


class OracleOptions(KernelOptions):
    field: str = "energy"

    def interface(self) -> Interface:
        return Interface(consumes=Schema([POINT]), produces=Schema([Column(self.field)]))


class BrokenOptions(KernelOptions):
    def interface(self) -> Interface:
        raise RuntimeError("no interface today")


class CheckOptions(KernelOptions):
    def interface(self) -> Interface:
        return Interface(Schema([Column("image", shape=(8, 8))]), learns=Schema([FORCES]))


def _spec(name: str, role: Role, options: str) -> KernelSpec:
    return KernelSpec(name, role, "fake_kernels:Nothing", f"fake_kernels:{options}", "fake")


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    return [
        _spec("fake.walker", Role.GENERATOR, "WalkerOptions"),
        _spec("fake.correlator", Role.GENERATOR, "CorrelatorOptions"),
        _spec("fake.oracle", Role.ORACLE, "OracleOptions"),
        _spec("fake.broken", Role.ORACLE, "BrokenOptions"),
        _spec("fake.check", Role.CHECK, "CheckOptions"),
    ]
