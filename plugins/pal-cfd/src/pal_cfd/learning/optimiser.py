"""AdamW with clipped gradients and averaged weights, and a learning rate that falls on plateaus; resumable."""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

__all__ = ["Optimiser", "Plateau"]

_FORGET = 10
"""Steps within which the average forgets where it has begun."""
Arrays = Mapping[str, NDArray[Any]]


class Optimiser:
    """Steps of AdamW (I. Loshchilov, F. Hutter, arXiv:1711.05101) on a module's parameters.

    Parameters
    ----------
    module : nn.Module
        Trained in place.
    clip : float
        Gradients of a larger norm are scaled down to it.
    weight_decay : float
    ema : float
        Decay per step of the exponential moving average of the parameters.

    Attributes
    ----------
    average : nn.Module
        The module with averaged parameters, which predicts.
    """

    def __init__(self, module: nn.Module, clip: float, weight_decay: float, ema: float) -> None:
        self.module, self.average = module, copy.deepcopy(module).requires_grad_(False)
        self.clip, self.weight_decay, self.ema = clip, weight_decay, ema
        self.reset()

    def reset(self) -> None:
        """Start anew from the average."""
        self.module.load_state_dict(self.average.state_dict())
        self._adam = torch.optim.AdamW(self.module.parameters(), weight_decay=self.weight_decay)
        self.steps = 0

    def step(self, loss: Tensor, rate: float) -> None:
        """One step of the learning rate `rate`; where the gradient isn't finite, none."""
        self._adam.zero_grad(set_to_none=True)
        loss.backward()
        parameters = list(self.module.parameters())
        norm = nn.utils.clip_grad_norm_(parameters, self.clip)
        if not torch.isfinite(norm):
            return
        for group in self._adam.param_groups:
            group["lr"] = rate
        self._adam.step()
        self.steps += 1
        share = 1 - min(self.ema, self.steps / (self.steps + _FORGET))
        with torch.no_grad():
            for slow, fast in zip(self.average.parameters(), parameters, strict=True):
                slow.lerp_(fast, share)

    def state(self) -> dict[str, NDArray[Any]]:
        """Copies of all that changes."""
        modules = {"module": self.module, "average": self.average}
        out = {f"{k}.{n}": _array(v) for k, m in modules.items() for n, v in m.state_dict().items()}
        moments = self._adam.state_dict()["state"]
        out |= {f"adam.{i}.{n}": _array(v) for i, values in moments.items() for n, v in values.items()}
        return out | {"steps": np.array(self.steps)}

    def load(self, state: Arrays) -> None:
        """Undo `state`."""
        for name, module in (("module", self.module), ("average", self.average)):
            module.load_state_dict({n: torch.from_numpy(np.array(a)) for n, a in below(f"{name}.", state).items()})
        moments: dict[int, dict[str, Tensor]] = {}
        for name, value in below("adam.", state).items():
            index, _, key = name.partition(".")
            moments.setdefault(int(index), {})[key] = torch.from_numpy(np.array(value))
        known = self._adam.state_dict()
        self._adam.load_state_dict({"state": moments, "param_groups": known["param_groups"]})
        self.steps = int(state["steps"])


class Plateau:
    """Halves the learning rate when the watched loss has stopped falling, and says when that has happened enough.

    Parameters
    ----------
    rate : float
        Learning rate at the start.
    patience : int
        Steps without a better loss before the rate is halved.
    """

    HALVINGS = 6

    def __init__(self, rate: float, patience: int) -> None:
        self._full, self._patience = rate, patience
        self._best, self._waited, self._halvings = math.inf, 0, 0

    def restart(self) -> None:
        """There are new data: forget the best loss, and go back to a quarter of the full rate at least."""
        self._best, self._waited, self._halvings = math.inf, 0, min(self._halvings, 2)

    @property
    def rate(self) -> float:
        """Learning rate now."""
        return self._full * 0.5**self._halvings

    @property
    def over(self) -> bool:
        """Whether the rate has been halved as often as it may."""
        return self._halvings >= self.HALVINGS

    def observe(self, loss: float, steps: int) -> None:
        """The loss after another `steps` steps."""
        if loss < self._best * (1 - 1e-3):
            self._best, self._waited = loss, 0
            return
        self._waited += steps
        if self._waited >= self._patience:
            self._waited, self._halvings = 0, self._halvings + 1

    def state(self) -> NDArray[np.float64]:
        """All that changes."""
        return np.array([self._best, self._waited, self._halvings], np.float64)

    def load(self, state: NDArray[np.float64]) -> None:
        """Undo `state`."""
        self._best, self._waited, self._halvings = float(state[0]), int(state[1]), int(state[2])


def below(prefix: str, state: Arrays) -> dict[str, NDArray[Any]]:
    """The entries whose names begin with `prefix`, without it."""
    return {n.removeprefix(prefix): a for n, a in state.items() if n.startswith(prefix)}


def _array(value: Tensor) -> NDArray[Any]:
    return np.array(value.detach().cpu().numpy())
