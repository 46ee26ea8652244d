"""Model files: a trained MACE network as safetensors, which hold numbers and never code."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from pal_ase.learning.modelfile import read_model, write_model
from pal_mace.architecture import Architecture

__all__ = ["ModelFile", "derived", "read", "references", "write"]

_FORMAT = "pal-mace 1"


@dataclass(frozen=True)
class ModelFile:
    """What a model file holds.

    Parameters
    ----------
    architecture : Architecture
    tensors : mapping of str to Tensor
        MACE's state, without coupling coefficients, which follow from the architecture.
    """

    architecture: Architecture
    tensors: dict[str, torch.Tensor]

    def build(self, seed: int) -> Any:
        """The network as a `mace.modules.ScaleShiftMACE` in double precision; the seed changes nothing that is kept."""
        module = self.architecture.build(seed)
        shapes = {name: value.shape for name, value in module.state_dict().items()}
        # Files of one head and those of none differ by an axis of length one.
        fitted = {
            n: t.reshape(shapes[n]) if t.numel() == shapes.get(n, t.shape).numel() and n in shapes else t
            for n, t in self.tensors.items()
        }
        strange = module.load_state_dict(fitted, strict=False)
        missing = [name for name in strange.missing_keys if not derived(name)]
        if missing or strange.unexpected_keys:
            names = ", ".join([*missing, *strange.unexpected_keys][:5])
            raise ValueError(f"tensors that this version of mace has no place for, or misses: {names}")
        return module


def derived(name: str) -> bool:
    """Whether a tensor of MACE's state follows from the architecture."""
    return any(part in name for part in ("U_matrix", "_w3j", "output_mask", "_zeroed"))


def write(path: Path, architecture: Architecture, state: dict[str, torch.Tensor]) -> None:
    """Write a model file from a module's state."""
    arrays = {n: t.detach().cpu().numpy() for n, t in state.items() if not derived(n)}
    write_model(path, arrays, {"format": _FORMAT, "architecture": json.dumps(architecture.to_plain())})


def read(path: Path) -> ModelFile:
    """Read a model file.

    Raises
    ------
    FileNotFoundError
    ValueError
        If it is something else.
    """
    arrays, about = read_model(path, "mace.committee", _FORMAT, "MACE")
    tensors = {name: torch.from_numpy(array) for name, array in arrays.items()}
    return ModelFile(Architecture.from_plain(json.loads(about["architecture"])), tensors)


def references(tensors: dict[str, torch.Tensor], elements: tuple[int, ...], size: int) -> np.ndarray[Any, Any]:
    """Energies of the elements by atomic number, eV; zero for those that the file doesn't know."""
    out = np.zeros(size)
    out[list(elements)] = tensors["atomic_energies_fn.atomic_energies"].double().numpy().reshape(-1)
    return out
