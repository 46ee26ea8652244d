"""Model files: a trained network as safetensors, which hold numbers and never code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import safe_open
from safetensors.numpy import save_file

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
    weights = {name: np.array(value, order="C") for name, value in file.weights.items()}
    save_file(weights, path, {"format": _FORMAT, "kind": file.kind, "options": json.dumps(dict(file.options))})


def read(path: Path, kind: str) -> ModelFile:
    """Read a model file of an architecture.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is something else.
    """
    who = f"nequip.{kind}: option model"
    if not path.is_file():
        raise FileNotFoundError(f"{who}: there is no file {path}")
    try:
        with safe_open(path, "numpy") as file:
            about = file.metadata() or {}
            weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a mapping
    except Exception as error:
        raise ValueError(
            f"{who}: {path} is not a safetensors file ({error}); `pal nequip convert {path.name} OUT.safetensors` "
            "makes one of a NequIP checkpoint or package"
        ) from error
    if about.get("format") != _FORMAT:
        raise ValueError(
            f"{who}: {path} holds tensors, but no model ({_FORMAT!r} is wanted in its metadata, "
            f"{about.get('format')!r} was found); weights of a run belong to option weights"
        )
    if about["kind"] != kind:
        raise ValueError(f"{who}: {path} is a model for nequip.{about['kind']}")
    return ModelFile(kind, json.loads(about["options"]), weights)
