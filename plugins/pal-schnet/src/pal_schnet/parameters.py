"""Sizes of the network and its parameters: one flat tensor with named views."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from pal_ase.elements import ELEMENTS

__all__ = ["Architecture", "Layer", "Parameters"]

_EMBEDDINGS = {"embedding": 1.0, "charge": 0.1, "multiplicity": 0.1}
"""First standard deviations."""


@dataclass(frozen=True)
class Architecture:
    """Sizes of the network.

    Parameters
    ----------
    features : int
        Numbers that describe an atom.
    interactions : int
        Layers in which atoms see their neighbours.
    basis : int
        Gaussians between 0 and the cutoff.
    cutoff : float
        Range of a layer, Å.
    charges, multiplicities : int
        Largest total charge of either sign and largest spin multiplicity embedded; 0 multiplicities: neither is.
    """

    features: int
    interactions: int
    basis: int
    cutoff: float
    charges: int = 0
    multiplicities: int = 0

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of all parameters, in the order in which they are stored."""
        f, half = self.features, max(1, self.features // 2)
        out: dict[str, tuple[int, ...]] = {"embedding": (ELEMENTS, f)}
        for t in range(self.interactions):
            layer = {"project": (f, f), "filter": (self.basis + 1, f), "mix": (f, f), "mix_bias": (f,)}
            layer |= {"update": (f, f), "update_bias": (f,)}
            out |= {f"layer{t}.{name}": shape for name, shape in layer.items()}
        out |= {"readout": (f, half), "readout_bias": (half,), "energy": (half,)}
        if self.multiplicities:
            out |= {"charge": (2 * self.charges + 1, f), "multiplicity": (self.multiplicities, f)}
        return out


class Layer(NamedTuple):
    """Parameters of one interaction."""

    project: Tensor
    filter: Tensor
    mix: Tensor
    mix_bias: Tensor
    update: Tensor
    update_bias: Tensor


class Parameters:
    """All parameters as one flat tensor and, under their names, as views into it.

    One tensor, so that the optimiser, averaging and clipping are single operations.

    Parameters
    ----------
    architecture : Architecture
    flat : Tensor, shape (size,)
        Kept, not copied.
    """

    def __init__(self, architecture: Architecture, flat: Tensor) -> None:
        self.architecture = architecture
        self.flat = flat
        self.named: dict[str, Tensor] = {}
        start = 0
        for name, shape in architecture.shapes().items():
            self.named[name] = flat[start : start + math.prod(shape)].view(shape)
            start += math.prod(shape)
        self.embedding = self.named["embedding"]
        self.layers = [
            Layer(*(self.named[f"layer{t}.{name}"] for name in Layer._fields)) for t in range(architecture.interactions)
        ]
        self.readout, self.readout_bias = self.named["readout"], self.named["readout_bias"]
        self.energy = self.named["energy"]
        self.states = (self.named["charge"], self.named["multiplicity"]) if architecture.multiplicities else ()

    @classmethod
    def random(cls, architecture: Architecture, seed: int, dtype: torch.dtype, device: torch.device) -> Parameters:
        """Glorot-uniform matrices, zero biases, normal embeddings; the same numbers on every device.

        What tells charges and multiplicities apart is small at first: they are variations of an element, not elements.
        """
        size = sum(math.prod(shape) for shape in architecture.shapes().values())
        out = cls(architecture, torch.zeros(size, dtype=torch.float64))
        generator = torch.Generator().manual_seed(seed)
        for name, value in out.named.items():
            if name in _EMBEDDINGS:
                value.normal_(generator=generator).mul_(_EMBEDDINGS[name])
            elif not name.endswith("bias"):
                width = value.shape[1] if value.ndim == 2 else 1
                value.uniform_(-1, 1, generator=generator).mul_(math.sqrt(6 / (value.shape[0] + width)))
        return cls(architecture, out.flat.to(device, dtype))

    def like(self, flat: Tensor) -> Parameters:
        """Other numbers under the same names."""
        return Parameters(self.architecture, flat)
