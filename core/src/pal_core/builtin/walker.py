"""A Brownian walker on the surface that the committee predicts."""

from __future__ import annotations

import time

import numpy as np
from numpy.typing import NDArray

from pal_core import rng
from pal_core.builtin.options import ToyWalkerOptions
from pal_core.kernels import Context, Feedback, Generator, Sample, State, Stop

__all__ = ["ToyWalker"]

Floats = NDArray[np.float64]


class ToyWalker(Generator):
    """Overdamped Langevin dynamics in a box with reflecting walls.

    Notes
    -----
    Euler-Maruyama: ``x += -step * gradient + sqrt(2 * temperature * step) * noise``, with the predicted gradient;
    see Leimkuhler and Matthews, Molecular Dynamics (2015), section 7.3. Moves are cut at the option `longest`.
    After more than `patience` untrusted predictions in a row, or one that is not finite, the walker proposes its
    last trusted point again and goes on from there.
    """

    Options = ToyWalkerOptions

    def __init__(self, options: ToyWalkerOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ToyWalkerOptions = options
        self._noise = context.rng("noise")
        self._bootstrap = context.rng("bootstrap")
        self._lower, self._upper = np.array(options.lower), np.array(options.upper)
        self._x = np.array(options.start[context.index % len(options.start)])
        self._trusted = self._x
        self._doubts = 0
        self._steps = 0

    def propose(self, feedback: Feedback | None) -> Sample | Stop:
        """Next point, moved by the predicted gradient at the last one."""
        if feedback is not None:
            self._judge(feedback)
        elif self._steps == 0:
            self._steps = 1
        if self.options.steps is not None and self._steps > self.options.steps:
            return Stop(f"{self.options.steps} steps done")
        time.sleep(self.options.delay)
        return {"x": self._x.copy()}

    def _judge(self, feedback: Feedback) -> None:
        self._steps += 1
        gradient = np.asarray(feedback.mean["gradient"], np.float64)
        finite = bool(np.isfinite(gradient).all())
        if feedback.trusted and finite:
            self._trusted, self._doubts = self._x, 0
        else:
            self._doubts += 1
        if finite and self._doubts <= self.options.patience:
            self._x = self._moved(gradient)
        else:
            self.context.note(f"back to the last trusted point after {self._doubts} untrusted predictions")
            self._x, self._doubts = self._trusted, 0

    def _moved(self, gradient: Floats) -> Floats:
        size = np.sqrt(2 * self.options.temperature * self.options.step)
        move = -self.options.step * gradient + size * self._noise.standard_normal(2)
        length = np.linalg.norm(move)
        if length > self.options.longest:
            move *= self.options.longest / length
        # Once is enough: no move is longer than a side of the box.
        x: Floats = self._x + move
        x = np.where(x < self._lower, 2 * self._lower - x, x)
        return np.where(x > self._upper, 2 * self._upper - x, x)

    def bootstrap(self) -> Sample:
        """A random point of the box."""
        return {"x": self._bootstrap.uniform(self._lower, self._upper)}

    def snapshot(self) -> State:
        """Outstanding and last trusted point, counters, both random streams."""
        return {
            "x": self._x.copy(),
            "trusted": self._trusted.copy(),
            "counters": np.array([self._doubts, self._steps]),
            "noise": rng.get_state(self._noise),
            "bootstrap": rng.get_state(self._bootstrap),
        }

    def restore(self, state: State) -> None:
        """Propose the outstanding point again, then go on as if nothing had happened."""
        self._x, self._trusted = np.array(state["x"]), np.array(state["trusted"])
        self._doubts, self._steps = (int(n) for n in state["counters"])
        rng.set_state(self._noise, state["noise"])
        rng.set_state(self._bootstrap, state["bootstrap"])
