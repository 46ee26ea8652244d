"""Random designs that fill the space evenly."""

from __future__ import annotations

from abc import ABC
from typing import Any

import numpy as np
from pal_core.kernels import Context, Proposal, Sample, State, Stop

from pal_design.random_options import EvenlyOptions
from pal_design.walker import DesignWalker, Hypercubes

__all__ = ["RandomWalker"]


class RandomWalker(DesignWalker, ABC):
    """Proposes admissible points of Latin hypercubes, whatever becomes of them; each walker has its own."""

    options: EvenlyOptions

    def __init__(self, options: EvenlyOptions, context: Context) -> None:
        super().__init__(options, context)
        self._designs = Hypercubes(self.space, context.rng("designs"), options.points)
        self._design = self._designs.next()
        self._turns = 0

    def propose(self, feedback: Any) -> Sample | Proposal | Stop:
        """The next design."""
        if feedback is not None:
            self._design = self._designs.next()
            self._turns += 1
        if self.options.turns is not None and self._turns >= self.options.turns:
            return Stop(f"{self.options.turns} designs done")
        return Proposal(self.space.sample(self._design), self.options.label or None)

    def snapshot(self) -> State:
        """The outstanding design, and what is left of its hypercube."""
        mine = {f"designs_{name}": value for name, value in self._designs.state().items()}
        return {**super().snapshot(), **mine, "design": self._design.copy(), "turns": np.array(self._turns)}

    def restore(self, state: State) -> None:
        """Propose the outstanding design again, then go on as if nothing had happened."""
        super().restore(state)
        self._designs.load({n.removeprefix("designs_"): v for n, v in state.items() if n.startswith("designs_")})
        self._design, self._turns = np.array(state["design"]), int(state["turns"])
