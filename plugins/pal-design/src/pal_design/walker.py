"""What all searches share as walkers: a space, goals, and samples that are plausible without a model."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core import rng
from pal_core.kernels import Context, Feedback, Generator, Sample, State
from pal_core.options import KernelOptions

from pal_design.goals import Goals
from pal_design.hypercube import latin_hypercube
from pal_design.space import Space

__all__ = ["DesignWalker", "answers"]

Floats = NDArray[np.float64]
_BLOCK = 16
"""Points of one Latin hypercube, of which bootstrap samples are taken one by one."""


class DesignWalker(Generator):
    """A search in a space of designs. A class derived from it says which space, and what is wanted there.

    Attributes
    ----------
    space : Space
    goals : Goals
    """

    def __init__(self, options: KernelOptions, context: Context) -> None:
        super().__init__(options, context)
        self.space, self.goals = self.make_space(), self.make_goals()
        self._hypercubes = Hypercubes(self.space, context.rng("bootstrap"))

    @abstractmethod
    def make_space(self) -> Space:
        """The space, from the options."""

    @abstractmethod
    def make_goals(self) -> Goals:
        """The goals, from the options."""

    def bootstrap(self) -> Sample:
        """An admissible point of a Latin hypercube of sixteen, drawn anew when it is used up."""
        return self.space.sample(self._hypercubes.next())

    def snapshot(self) -> State:
        """State of the bootstrap samples; searches add their own."""
        return {f"bootstrap_{name}": value for name, value in self._hypercubes.state().items()}

    def restore(self, state: State) -> None:
        """Undo `snapshot`."""
        self._hypercubes.load({n.removeprefix("bootstrap_"): v for n, v in state.items() if n.startswith("bootstrap_")})


class Hypercubes:
    """Admissible points of Latin hypercubes, one hypercube after the other.

    Parameters
    ----------
    space : Space
    stream : numpy.random.Generator
        From `pal_core.rng`.
    points : int
        Of a hypercube.
    """

    def __init__(self, space: Space, stream: np.random.Generator, points: int = _BLOCK) -> None:
        self._space, self._stream, self._points = space, stream, points
        self._left = np.zeros((0, space.dimensions))

    def next(self) -> Floats:
        """Parameters of the next admissible design, shape (dimensions,).

        Raises
        ------
        ValueError
            If hardly any design within the bounds is admissible.
        """
        for _ in range(1000):
            if not len(self._left):
                self._left = latin_hypercube(self._stream, self._points, self._space.dimensions)
            place, self._left = self._left[0], self._left[1:]
            vector = self._space.vector(place)
            if self._space.admissible(vector):
                return vector
        raise ValueError("none of 1000 designs within the bounds is admissible: change the bounds")

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes; copies."""
        return {"left": self._left.copy(), "stream": rng.get_state(self._stream)}

    def load(self, state: State) -> None:
        """Undo `state`."""
        self._left = np.array(state["left"], np.float64)
        rng.set_state(self._stream, state["stream"])


def answers(feedback: Any) -> Sequence[Feedback]:
    """Feedback on a proposal of several samples, or of one, as a sequence."""
    return [feedback] if isinstance(feedback, Feedback) else list(feedback)
