"""AdamW on one flat tensor, with clipping, averaged weights, and a learning rate that falls on plateaus."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

__all__ = ["Optimiser", "Plateau"]

_BETAS = (0.9, 0.999)
_EPSILON = 1e-8
Arrays = Mapping[str, NDArray[Any]]


class Optimiser:
    """AdamW [1]_ with gradient clipping and an exponential moving average of the weights.

    Parameters
    ----------
    flat : Tensor, shape (size,)
        The weights; changed in place.
    average : Tensor, shape (size,)
        Their average, equal to them at first; changed in place.
    clip : float
        Gradients of a larger norm are scaled down to it.
    weight_decay : float
    ema : float
        Decay per step of the average; shorter in the first steps so that it forgets the start.

    References
    ----------
    .. [1] I. Loshchilov, F. Hutter, ICLR (2019), arXiv:1711.05101.
    """

    def __init__(self, flat: Tensor, average: Tensor, clip: float, weight_decay: float, ema: float) -> None:
        self.flat, self.average = flat, average
        self.clip, self.weight_decay, self.ema = clip, weight_decay, ema
        self.first, self.second = torch.zeros_like(flat), torch.zeros_like(flat)
        self.steps = 0

    def step(self, gradient: Tensor, rate: float) -> None:
        """Move the weights by one step of the learning rate `rate`; a gradient that isn't finite is ignored."""
        norm = torch.linalg.vector_norm(gradient)
        if not torch.isfinite(norm):
            return
        gradient = gradient * torch.clamp(self.clip / norm, max=1.0)
        self.steps += 1
        self.first.lerp_(gradient, 1 - _BETAS[0])
        self.second.mul_(_BETAS[1]).addcmul_(gradient, gradient, value=1 - _BETAS[1])
        size = self.second.sqrt().div_(math.sqrt(1 - _BETAS[1] ** self.steps)).add_(_EPSILON)
        self.flat.mul_(1 - rate * self.weight_decay)
        self.flat.addcdiv_(self.first, size, value=-rate / (1 - _BETAS[0] ** self.steps))
        self.average.lerp_(self.flat, 1 - min(self.ema, self.steps / (self.steps + 10)))

    def reset(self) -> None:
        """Start anew from the average."""
        self.flat.copy_(self.average)
        self.first.zero_()
        self.second.zero_()
        self.steps = 0

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that changes."""
        tensors = {"flat": self.flat, "average": self.average, "first": self.first, "second": self.second}
        return {n: t.cpu().numpy().copy() for n, t in tensors.items()} | {"steps": np.array(self.steps)}

    def load(self, state: Arrays) -> None:
        """Undo `state`."""
        for name in ("flat", "average", "first", "second"):
            getattr(self, name).copy_(torch.from_numpy(np.array(state[name])))
        self.steps = int(state["steps"])


class Plateau:
    """Halves the learning rate when the watched loss has stopped falling, and says when that has happened enough.

    Parameters
    ----------
    rate : float
        Learning rate at the start.
    patience : int
        Steps without improvement before the rate is halved.
    """

    HALVINGS = 6

    def __init__(self, rate: float, patience: int) -> None:
        self.full, self.patience = rate, patience
        self.best, self.waited, self.halvings = math.inf, 0, 0

    def restart(self) -> None:
        """There are new data: forget the best loss, and go back to a quarter of the full rate at least."""
        self.best, self.waited, self.halvings = math.inf, 0, min(self.halvings, 2)

    @property
    def rate(self) -> float:
        """Learning rate now."""
        return self.full * 0.5**self.halvings

    @property
    def over(self) -> bool:
        """Whether the rate has been halved as often as it may."""
        return self.halvings >= self.HALVINGS

    def observe(self, loss: float, steps: int) -> None:
        """The loss after another `steps` steps."""
        if loss < self.best * (1 - 1e-3):
            self.best, self.waited = loss, 0
            return
        self.waited += steps
        if self.waited >= self.patience:
            self.waited, self.halvings = 0, self.halvings + 1

    def state(self) -> NDArray[np.float64]:
        """All that changes."""
        return np.array([self.best, self.waited, self.halvings], np.float64)

    def load(self, state: NDArray[np.float64]) -> None:
        """Undo `state`."""
        self.best, self.waited, self.halvings = float(state[0]), int(state[1]), int(state[2])
