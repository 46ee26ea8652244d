"""Options of `cfd.openfoam`. Light."""

from __future__ import annotations

from pathlib import PurePath
from typing import Literal

from pal_core.options import Interface
from pydantic import Field, PositiveFloat, PositiveInt, field_validator

from pal_cfd.channel_options import FlowOptions
from pal_cfd.schema import LABEL

__all__ = ["OpenFoamOptions"]


class OpenFoamOptions(FlowOptions):
    """How OpenFOAM is run. It labels steady flow between walls at two temperatures."""

    heating: Literal["temperatures"] = Field(
        "temperatures", description='"temperatures": lower wall at 0, upper at 1; nothing else is set up for OpenFOAM'
    )
    source: Literal["design", "mask"] = Field(
        "design", description='what the mesh fits: "design", the exact outlines, or "mask", outlines around its cells'
    )
    fineness: PositiveFloat = Field(4.0, description="edges are shorter by this than in cfd.embedded's first mesh")
    iterations: PositiveInt = Field(3000, description="SIMPLE iterations before the label counts as unconverged")
    residual: PositiveFloat = Field(1e-6, description="initial residuals of the last iteration must be below")
    programs: str = Field("", description="folder of OpenFOAM's programs, absolute; empty: they are on PATH")
    project: str = Field(
        "", description="WM_PROJECT_DIR, absolute; empty: that of the environment, or else /usr/share/openfoam"
    )

    @field_validator("programs", "project")
    @classmethod
    def _absolute(cls, folder: str) -> str:
        if folder and not PurePath(folder).is_absolute():
            raise ValueError(f"an absolute path is wanted, found {folder!r}")
        return folder

    def interface(self) -> Interface:
        """Masks and designs in; cf, st and whether they are averages out."""
        return Interface(consumes=self.sample, produces=LABEL)
