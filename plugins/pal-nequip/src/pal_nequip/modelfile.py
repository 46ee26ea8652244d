"""Model files: a trained network as safetensors, which hold numbers and never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from pal_ase.learning.modelfile import read_model, write_model
from pal_nequip.options import EquivariantOptions

__all__ = ["ModelFile", "read", "write"]

_FORMAT = "pal-nequip 1"


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    kind : str
        Architecture, ``"nequip"`` or ``"allegro"``.
    options : mapping of str to object
        Options on the architecture.
    weights : mapping of str to ndarray
        As a kernel's `weights` gives them: network, references (eV), scale (eV), cutoff (Å).
    """

    kind: str
    options: Mapping[str, Any]
    weights: Mapping[str, NDArray[Any]]

    def applied(self, options: EquivariantOptions) -> EquivariantOptions:
        """A kernel's options with the architecture of the file."""
        given = type(options).model_validate(dict(self.options))
        return options.model_copy(update={name: getattr(given, name) for name in self.options})


def write(path: Path, file: ModelFile) -> None:
    """Write a model file."""
    about = {"format": _FORMAT, "kind": file.kind, "options": json.dumps(dict(file.options))}
    write_model(path, dict(file.weights), about)


def read(path: Path, kind: str) -> ModelFile:
    """Read a model file of an architecture.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is something else.
    """
    kernel = f"nequip.{kind}"
    weights, about = read_model(path, kernel, _FORMAT, "NequIP", "checkpoint or package")
    if about["kind"] != kind:
        raise ValueError(f"{kernel}: option model: {path} is a model for nequip.{about['kind']}")
    return ModelFile(kind, json.loads(about["options"]), weights)
