"""Options of the walkers. Light: imports neither ASE nor greenlet."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pal_core.options import Interface, KernelOptions
from pydantic import (
    Discriminator,
    Field,
    NonNegativeFloat,
    NonNegativeInt,
    PositiveFloat,
    PositiveInt,
    Tag,
    field_validator,
    model_validator,
)

from pal_ase.cluster_options import ClustersOptions
from pal_ase.schema import LABEL, SAMPLE, label_schema
from pal_ase.targets import check_target

__all__ = ["DriverOptions", "Jobs", "LangevinOptions", "VerletOptions", "WalkerOptions"]

Jobs = PositiveInt | Literal["list", "endless"]
"""When a walker ends: after so many jobs, when every structure of the list has been taken once, or never."""
KELVIN: dict[str, Any] = {"unit": "K"}
_HOT = "kinetic temperature above which a walker is reset; 0: no limit; left out: "


def _source(value: Any) -> str:
    return "clusters" if isinstance(value, (Mapping, ClustersOptions)) else "file"


Source = Annotated[
    Annotated[Path, Tag("file")] | Annotated[ClustersOptions, Tag("clusters")],
    Discriminator(_source),
]
"""Where start structures come from. Told apart beforehand, so that an error speaks of what was meant."""
_CONNECTED = 1.6  # sums of covalent radii; beyond van der Waals distances of heavy elements


class WalkerOptions(KernelOptions):
    """What all walkers have in common."""

    structure: Source = Field(
        description="file with one or many start structures; walker i of W takes number i, then i + W, i + 2W, … of "
        "this list, one for each of its jobs; or a table: random clusters"
    )
    jobs: Jobs = Field(
        "endless",
        description='jobs after which a walker ends; "list": when every structure of the list has been taken once; '
        '"endless": never, the list begins anew',
    )
    charge: int | None = Field(
        None, description="total charge; left out: the file's `charge`, or 0", json_schema_extra={"unit": "e"}
    )
    multiplicity: PositiveInt | None = Field(
        None, description="spin multiplicity 2S + 1; left out: the file's `multiplicity`, or the lowest possible"
    )
    patience: NonNegativeInt = Field(
        10, description="untrusted steps in a row that a walker makes; at the next it goes back to trusted ground"
    )
    closest: NonNegativeFloat = Field(
        0.5, description="reset when two atoms are closer than this times the sum of their covalent radii; 0: never"
    )
    isolated: NonNegativeFloat = Field(
        3.0,
        description="reset when an atom's neighbours are all further than this times the sum of their covalent radii; "
        "0: never",
    )
    spread: NonNegativeFloat = Field(
        3.0,
        description="reset when an atom is further from the centre than this times the start structure's radius; "
        "0: never; periodic systems: never",
    )
    connected: NonNegativeFloat | None = Field(
        None,
        description="reset when fragments are further apart than this times the sum of the covalent radii of their "
        "nearest atoms; 0: never; left out: 1.6 for random clusters, otherwise never",
    )
    hot: NonNegativeFloat | None = Field(None, description=_HOT + "no limit", json_schema_extra=KELVIN)
    rattle: NonNegativeFloat = Field(
        0.08,
        description="largest standard deviation of bootstrap displacements per coordinate; a quarter, half, three "
        "quarters and all of it are used",
        json_schema_extra={"unit": "Å"},
    )
    trajectory: NonNegativeInt = Field(
        100, description="predictions between two frames of trajectories/walker-NNN.extxyz; 0: no file"
    )

    @field_validator("structure")
    @classmethod
    def _has_content(cls, path: Path | ClustersOptions) -> Path | ClustersOptions:
        if isinstance(path, ClustersOptions):
            return path
        if not path.is_file():
            raise ValueError(f"there is no file {path}")
        if path.stat().st_size == 0:
            raise ValueError(f"the file {path} is empty")
        return path

    @model_validator(mode="after")
    def _limits_leave_room(self) -> WalkerOptions:
        if self.isolated and self.isolated <= max(1.0, self.closest):
            raise ValueError(f"isolated = {self.isolated:g} must be above 1 and above closest = {self.closest:g}")
        if self.spread and self.spread <= 1:
            raise ValueError(f"spread = {self.spread:g} must be above 1, the radius of the start structure")
        if self.connected and self.connected <= max(1.0, self.closest):
            raise ValueError(f"connected = {self.connected:g} must be above 1 and above closest = {self.closest:g}")
        return self

    @model_validator(mode="after")
    def _clusters_fit(self) -> WalkerOptions:
        clusters = self.structure
        if not isinstance(clusters, ClustersOptions):
            return self
        if self.charge is not None or self.multiplicity is not None:
            raise ValueError("charge and multiplicity of random clusters are structure.charges and .multiplicities")
        if self.closest > clusters.clearance:
            raise ValueError(f"closest = {self.closest:g} refuses structure.clearance = {clusters.clearance:g}")
        for name, limit in (("isolated", self.isolated), ("connected", self.apart)):
            if limit and clusters.bonds[1] > limit:
                raise ValueError(f"{name} = {limit:g} refuses structure.bonds = {list(clusters.bonds)}")
        return self

    @property
    def apart(self) -> float:
        """Limit of the guard `connected`, in sums of covalent radii; 0: none."""
        if self.connected is None:
            return _CONNECTED if isinstance(self.structure, ClustersOptions) else 0.0
        return self.connected

    def interface(self) -> Interface:
        """Reads predicted energy and forces, gives structures."""
        return Interface(consumes=LABEL, produces=SAMPLE)


class _DynamicsOptions(WalkerOptions):
    timestep: PositiveFloat = Field(0.5, description="time step", json_schema_extra={"unit": "fs"})
    steps: PositiveInt | None = Field(None, description="steps of a job; left out: the first one never ends")
    jobs: Jobs = Field(
        1,
        description='jobs after which a walker ends; "list": when every structure of the list has been taken once; '
        '"endless": never, the list begins anew',
    )

    @model_validator(mode="after")
    def _jobs_end(self) -> _DynamicsOptions:
        if self.steps is None and self.jobs != 1:
            raise ValueError(f"jobs = {self.jobs!r} needs steps: without, a walker stays with its first structure")
        return self

    @model_validator(mode="after")
    def _limit_above_temperature(self) -> _DynamicsOptions:
        temperature = getattr(self, "temperature", 0.0)
        if self.hot and self.hot <= 2 * temperature:
            raise ValueError(
                f"hot = {self.hot:g} K must be above twice the temperature of {temperature:g} K, or velocities "
                "drawn at that temperature would be refused"
            )
        return self


class LangevinOptions(_DynamicsOptions):
    """Options of `ase.langevin`."""

    temperature: PositiveFloat = Field(300.0, description="temperature of the heat bath", json_schema_extra=KELVIN)
    friction: PositiveFloat = Field(0.01, description="friction coefficient", json_schema_extra={"unit": "1/fs"})
    hot: NonNegativeFloat | None = Field(None, description=_HOT + "ten times the temperature", json_schema_extra=KELVIN)


class VerletOptions(_DynamicsOptions):
    """Options of `ase.verlet`."""

    temperature: NonNegativeFloat = Field(
        300.0,
        description="temperature of the start velocities, and of new ones after a reset",
        json_schema_extra=KELVIN,
    )
    hot: NonNegativeFloat | None = Field(None, description=_HOT + "ten times the temperature", json_schema_extra=KELVIN)


class DriverOptions(WalkerOptions):
    """Options of `ase.driver`."""

    # A path, so that a file's name is taken relative to the settings file.
    function: Path = Field(description='`f(atoms, rng)` as "file.py:function" or "module:function"')
    parameters: dict[str, Any] = Field(default_factory=dict, description="further keyword arguments of the function")
    resume_from: Literal["trusted", "start"] = Field(
        "trusted",
        description="where the function begins after a reset or a restart of the run: the last trusted frame, or the "
        "start structure (for NEB and others that must not begin at one of their images)",
    )
    stress: bool = Field(False, description="the function needs the stress (cell optimisers, constant pressure)")

    @field_validator("function")
    @classmethod
    def _well_formed(cls, target: Path) -> Path:
        return check_target(target, "function")

    def interface(self) -> Interface:
        """Reads predicted energy, forces and, where asked for, stress; gives structures."""
        return Interface(consumes=label_schema(self.stress), produces=SAMPLE)
