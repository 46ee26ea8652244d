"""A particle swarm as a walker: it searches on the committee's predictions and has its best designs labelled."""

from __future__ import annotations

from abc import ABC
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Feedback, Proposal, Sample, State, Stop

from pal_design.goals import Verdict
from pal_design.swarm import Swarm, SwarmRules
from pal_design.swarm_options import SwarmOptions
from pal_design.walker import DesignWalker, answers

__all__ = ["SwarmWalker"]

Floats = NDArray[np.float64]
_UNTRUSTED = 1e6
"""Violation added to untrusted designs: any trusted one is better, and they compare among themselves."""
_EXPLORE, _RECALL, _VERIFY = range(3)


class SwarmWalker(DesignWalker, ABC):
    """One walker is one swarm: a turn proposes all its particles, which are predicted together.

    - An untrusted prediction is never better than a trusted one. A particle with more than `patience` untrusted
      predictions in a row goes back to its best place.
    - When the committee has learned, remembered values are those of an older one: the remembered places are then
      predicted anew, at most every `recall` turns. What the oracle has refuted is forgotten that way.
    - After `stall` turns without a better design, or `longest` turns, the best designs are verified: they want labels,
      whatever the selection says, unless this walker has verified one nearby. Then a new swarm sets out, with `elite`
      of the old one's best.
    """

    options: SwarmOptions

    def __init__(self, options: SwarmOptions, context: Context) -> None:
        super().__init__(options, context)
        rules = SwarmRules(
            options.particles, options.neighbours, options.inertia, options.own, options.others, options.mutation
        )
        self._swarm = Swarm(
            rules,
            self.space.dimensions,
            len(self.goals.names),
            context.rng("swarm"),
            admissible=lambda place: self.space.admissible(self.space.vector(place)),
            periodic=self.space.periodic,
        )
        self._phase = _EXPLORE
        self._doubts = np.zeros(options.particles, np.int64)
        self._chosen = self._verified = np.zeros((0, self.space.dimensions))
        self._turns = self._since_start = self._stalled = self._since_recall = self._version = 0

    def propose(self, feedback: Any) -> Sequence[Sample | Proposal] | Stop:
        """The places where values are wanted now."""
        if feedback is not None:
            self._hear(answers(feedback))
            self._turns += 1
        if self.options.turns is not None and self._turns >= self.options.turns:
            return Stop(f"{self.options.turns} turns done")
        return [Proposal(self._sample(place), self._phase == _VERIFY or None) for place in self._outstanding()]

    def _sample(self, place: Floats) -> Sample:
        return self.space.sample(self.space.vector(place))

    def _outstanding(self) -> Floats:
        if self._phase == _EXPLORE:
            return self._swarm.places
        return self._swarm.memory() if self._phase == _RECALL else self._chosen

    def _hear(self, feedbacks: Sequence[Feedback]) -> None:
        verdict = self.goals.judge(feedbacks)
        violation = verdict.violation + np.where(verdict.trusted, 0.0, _UNTRUSTED)
        version = min(feedback.version for feedback in feedbacks)
        if self._phase == _EXPLORE:
            self._explored(verdict, violation, version)
        elif self._phase == _RECALL:
            self._swarm.remember(verdict.values, violation)
            self._phase, self._version, self._since_recall = _EXPLORE, version, 0
        else:
            self._verified = np.concatenate([self._verified, self._chosen])
            self._restart()

    def _explored(self, verdict: Verdict, violation: Floats, version: int) -> None:
        if self._since_start == 0:
            self._version = version
        better = self._swarm.tell(verdict.values, violation)
        self._doubts = np.where(verdict.trusted, 0, self._doubts + 1)
        lost = self._doubts > self.options.patience
        if lost.any():
            self._swarm.recall(lost)
            self._doubts[lost] = 0
        self._stalled = 0 if better else self._stalled + 1
        self._since_start, self._since_recall = self._since_start + 1, self._since_recall + 1
        if version > self._version and self._since_recall >= self.options.recall:
            self._phase = _RECALL
        elif self._stalled >= self.options.stall or self._since_start >= self.options.longest:
            self._chosen = self._choice()
            self._phase = _VERIFY
            if not len(self._chosen):
                self._restart()

    def _choice(self) -> Floats:
        """The best places that are not near one that has been verified, shape (n, dimensions)."""
        own, archive = self._swarm.own, self._swarm.archive
        own = own.take(np.isfinite(own.violation))
        ranked = np.concatenate([archive.places, own.places[np.lexsort((own.values[:, 0], own.violation))]])
        # Of several objectives' designs, any is as good as the other.
        candidates = archive.places if len(self.goals.names) > 1 else ranked
        chosen = self._verified
        for place in candidates:
            apart = np.sqrt(np.mean(self._swarm.way(chosen, place) ** 2, axis=1)).min(initial=np.inf)
            if apart >= self.options.apart and len(chosen) < len(self._verified) + self.options.verify:
                chosen = np.concatenate([chosen, place[None]])
        return chosen[len(self._verified) :]

    def _restart(self) -> None:
        elite = min(self.options.elite, self.options.particles)
        best = self._swarm.archive
        self.context.note(
            f"swarm verified {len(self._chosen)} designs after {self._since_start} turns; best prediction: "
            + ", ".join(f"{name} {value:.5g}" for name, value in zip(self.goals.names, best.values[0], strict=True))
            if len(best)
            else "swarm found no design with a finite prediction"
        )
        self._swarm.restart(elite)
        self._phase, self._chosen = _EXPLORE, self._chosen[:0]
        self._doubts[:] = 0
        self._since_start = self._stalled = self._since_recall = 0

    def snapshot(self) -> State:
        """The swarm, what has been verified, and counters."""
        counters = [
            self._phase,
            self._turns,
            self._since_start,
            self._stalled,
            self._since_recall,
            self._version,
        ]
        own = {
            "doubts": self._doubts.copy(),
            "chosen": self._chosen.copy(),
            "verified": self._verified.copy(),
            "counters": np.array(counters, np.int64),
        }
        return {**super().snapshot(), **own, **{f"swarm_{n}": v for n, v in self._swarm.state().items()}}

    def restore(self, state: State) -> None:
        """Propose the outstanding places again, then go on as if nothing had happened."""
        super().restore(state)
        self._doubts = np.array(state["doubts"])
        self._chosen, self._verified = np.array(state["chosen"]), np.array(state["verified"])
        counters = [int(c) for c in state["counters"]]
        self._phase, self._turns, self._since_start, self._stalled, self._since_recall, self._version = counters
        self._swarm.load({n.removeprefix("swarm_"): v for n, v in state.items() if n.startswith("swarm_")})
