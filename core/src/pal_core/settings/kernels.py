"""Kernels of a run: where they come from, their options, and the fields that they read and give."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel, ValidationError

from pal_core.data import Schema
from pal_core.options import Interface, KernelOptions
from pal_core.plugins.targets import load_kernel, load_options
from pal_core.spec import KernelSpec, Role

if TYPE_CHECKING:
    from pal_core.kernels import Kernel

__all__ = ["ResolvedKernel", "salvaged", "validate"]

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True)
class ResolvedKernel:
    """A kernel of the settings. Built on one rank, sent as JSON, imported only where it runs.

    Parameters
    ----------
    spec : KernelSpec
    raw : mapping
        Options as in the settings, with absolute paths.
    interface : Interface
        With these options.
    distribution, version : str
        Where the kernel comes from, see `PluginHost.provenance`.
    """

    spec: KernelSpec
    raw: Mapping[str, Any]
    interface: Interface
    distribution: str = ""
    version: str = ""

    @cached_property
    def options(self) -> KernelOptions:
        """Validated options; imports the kernel's options module on first use."""
        return validate(load_options(self.spec), dict(self.raw))

    def load(self) -> type[Kernel]:
        """The kernel's class; imports its module."""
        return load_kernel(self.spec)

    def __str__(self) -> str:
        return f"{self.spec.role.value} {self.spec.name!r}"

    def to_json(self) -> dict[str, Any]:
        """Plain values for another rank."""
        spec = {**vars(self.spec), "role": self.spec.role.value, "capabilities": sorted(self.spec.capabilities)}
        learns = self.interface.learns
        return {
            "spec": spec,
            "raw": dict(self.raw),
            "consumes": self.interface.consumes.to_json(),
            "produces": self.interface.produces.to_json(),
            "learns": None if learns is None else learns.to_json(),
            "covariances": [list(pair) for pair in self.interface.covariances],
            "distribution": self.distribution,
            "version": self.version,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ResolvedKernel:
        """Undo `to_json`; imports nothing."""
        spec = data["spec"]
        learns = None if data["learns"] is None else Schema.from_json(data["learns"])
        return cls(
            KernelSpec(**{**spec, "role": Role(spec["role"]), "capabilities": frozenset(spec["capabilities"])}),
            data["raw"],
            Interface(
                Schema.from_json(data["consumes"]),
                Schema.from_json(data["produces"]),
                learns,
                tuple((a, b) for a, b in data["covariances"]),
            ),
            data["distribution"],
            data["version"],
        )


def validate(model: type[M], data: Mapping[str, Any]) -> M:
    """Validate values that came from TOML.

    As strict JSON: an integer is no string and a string no number, but arrays become tuples and strings paths.

    Raises
    ------
    ValidationError
    """
    return model.model_validate_json(json.dumps(data), strict=True)


def salvaged(model: type[M], data: Mapping[str, Any], error: ValidationError) -> M | None:
    """`model` without the values in error, so that further checks can go on; None if that isn't enough."""
    bad = {e["loc"][0] for e in error.errors(include_url=False) if e["loc"] and e["type"] != "missing"}
    try:
        return validate(model, {k: v for k, v in data.items() if k not in bad})
    except ValidationError:
        return None
