"""A particle swarm that is moved step by step: it says where it wants to know values, and is told them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core import rng

from pal_design.archive import Designs
from pal_design.hypercube import latin_hypercube
from pal_design.pareto import better, crowding

__all__ = ["NoDesignError", "Swarm", "SwarmRules"]

Floats = NDArray[np.float64]
_TRIES = 1000
_HALVINGS = 6
_STEEP = 20.0
"""Index of the polynomial mutation: how seldom it goes far."""


class NoDesignError(ValueError):
    """No admissible place was found."""


@dataclass(frozen=True)
class SwarmRules:
    """How a swarm moves.

    Parameters
    ----------
    particles : int
    neighbours : int
        On either side, on a ring, whose best place attracts a particle; with several objectives the archive does.
    inertia, own, others : float
        Share of the velocity that is kept; largest pull to a particle's own best place, and to that of its neighbours.
        The defaults are Clerc's constriction coefficients (M. Clerc, J. Kennedy, IEEE Trans. Evol. Comput. 6, 58
        (2002)).
    mutation : float
        Share of the particles that a step sends off by a mutation besides, so that a swarm doesn't collapse (A. J.
        Nebro et al., IEEE MCDM 2009, 66: SMPSO).
    archive : int
        Most places that are kept of those that none other is better than.
    """

    particles: int = 20
    neighbours: int = 4
    inertia: float = 0.7298
    own: float = 1.4962
    others: float = 1.4962
    mutation: float = 0.05
    archive: int = 50


class Swarm:
    """Particles in the unit cube that remember their best places.

    Parameters
    ----------
    rules : SwarmRules
    dimensions, objectives : int
    stream : numpy.random.Generator
        From `pal_core.rng`.
    admissible : callable
        ``admissible(place) -> bool`` for a place of shape (dimensions,). A particle whose step would end elsewhere goes
        half as far, and so on, and at last stays.
    periodic : ndarray of bool, shape (dimensions,), optional
        Coordinates in which 0 and 1 are the same place; default: none.

    Attributes
    ----------
    places : ndarray of float64, shape (particles, dimensions)
        Where values are wanted.
    own : Designs
        Best place of every particle.
    archive : Designs
        Best ones of all; a single one if there is one objective.
    """

    def __init__(
        self,
        rules: SwarmRules,
        dimensions: int,
        objectives: int,
        stream: np.random.Generator,
        *,
        admissible: Callable[[Floats], bool] = lambda place: True,
        periodic: NDArray[np.bool_] | None = None,
    ) -> None:
        self.rules, self.objectives = rules, objectives
        self._stream, self._admissible = stream, admissible
        self._periodic = np.zeros(dimensions, np.bool_) if periodic is None else periodic
        self.archive = Designs.unknown(np.zeros((0, dimensions)), objectives)
        self.places = np.zeros((rules.particles, dimensions))
        self.restart(0)

    def restart(self, elite: int) -> None:
        """Forget all values, and begin anew; `elite` particles at most set out from places of the archive."""
        kept = self.archive.best(elite).places if elite else self.archive.places[:0]
        self.archive = self.archive.take(np.zeros(0, np.int64))
        shape = self.places.shape
        fresh = latin_hypercube(self._stream, shape[0], shape[1])
        self.places = np.stack([self._nearby(place) for place in fresh])
        self.places[: len(kept)] = kept
        self._velocity = self.way(self.places, latin_hypercube(self._stream, *shape)) / 2
        self.own = Designs.unknown(self.places, self.objectives)

    def _nearby(self, place: Floats) -> Floats:
        """This place if it is admissible, or another one."""
        for _ in range(_TRIES):
            if self._admissible(place):
                return place
            place = self._stream.random(len(place))
        raise NoDesignError(f"none of {_TRIES} random designs within the bounds is admissible: change the bounds")

    def tell(self, values: Floats, violation: Floats) -> bool:
        """Take in what is known of `places`, and move on.

        Parameters
        ----------
        values : ndarray of float64, shape (particles, objectives)
            To be minimised.
        violation : ndarray of float64, shape (particles,)
            By how much limits are exceeded; infinite for a place that nothing is known of.

        Returns
        -------
        bool
            Whether the archive has got a new design.
        """
        now = Designs(self.places, values, violation)
        worse = better(self.own.values, self.own.violation, values, violation)
        # With several objectives, one that is neither better nor worse is as good as the old one, and newer.
        equal = (self.own.values == values).all(axis=1) & (self.own.violation == violation)
        self.own = self.own.replaced(np.isfinite(violation) & ~worse & ~equal, now)
        before = self.archive
        self._gather(before.join(now))
        self._move()
        known = {place.tobytes() for place in before.places}
        return any(place.tobytes() not in known for place in self.archive.places)

    def _gather(self, designs: Designs) -> None:
        self.archive = designs.best(self.rules.archive if self.objectives > 1 else 1)

    def memory(self) -> Floats:
        """Places that are remembered, own ones and the archive's, shape (n, dimensions)."""
        return np.concatenate([self.own.places, self.archive.places])

    def remember(self, values: Floats, violation: Floats) -> None:
        """Take in new values of `memory`: those that have told the old ones have learned since."""
        designs = Designs(self.memory(), values, violation)
        self.own = designs.take(np.arange(len(self.own)))
        self._gather(designs)

    def recall(self, which: NDArray[np.bool_]) -> None:
        """Send particles back to their own best places, at rest."""
        self.places = np.where(which[:, None], self.own.places, self.places)
        self._velocity = np.where(which[:, None], 0.0, self._velocity)

    def _move(self) -> None:
        shape, rules = self.places.shape, self.rules
        to_own = self._stream.random(shape) * self.way(self.places, self.own.places)
        to_others = self._stream.random(shape) * self.way(self.places, self._leaders())
        velocity = rules.inertia * self._velocity + rules.own * to_own + rules.others * to_others
        velocity = np.clip(velocity, -0.5, 0.5)
        wanted = self._mutated(self.places + velocity)
        out = ((wanted < 0) | (wanted > 1)) & ~self._periodic
        self._velocity = np.where(out, -0.5 * velocity, velocity)
        wanted = np.where(out, np.clip(wanted, 0.0, 1.0), wanted)
        self.places = np.stack([self._towards(a, b) for a, b in zip(self.places, wanted, strict=True)])

    def way(self, start: Floats, end: Floats) -> Floats:
        """Shortest way from places to others, shape of both."""
        straight = end - start
        return np.asarray(np.where(self._periodic, straight - np.round(straight), straight))

    def _towards(self, place: Floats, wanted: Floats) -> Floats:
        """As far from `place` to `wanted` as is admissible."""
        for k in range(_HALVINGS):
            there = place + (wanted - place) * 0.5**k
            there = np.asarray(np.where(self._periodic, there % 1.0, there))
            if self._admissible(there):
                return there
        return place

    def _leaders(self) -> Floats:
        """A place for every particle to follow, shape (particles, dimensions)."""
        n = len(self.places)
        if self.objectives == 1:
            reach = np.arange(-self.rules.neighbours, self.rules.neighbours + 1)
            near = (np.arange(n)[:, None] + reach) % n
            order = np.lexsort((self.own.values[:, 0], self.own.violation))
            rank = np.argsort(order, kind="stable")
            return np.asarray(self.own.places[near[np.arange(n), rank[near].argmin(axis=1)]])
        if not len(self.archive):
            return self.own.places
        # The emptier surroundings of two, drawn for every particle.
        pairs, room = self._stream.integers(len(self.archive), size=(n, 2)), crowding(self.archive.values)
        return np.asarray(
            self.archive.places[np.where(room[pairs[:, 0]] > room[pairs[:, 1]], pairs[:, 0], pairs[:, 1])]
        )

    def _mutated(self, places: Floats) -> Floats:
        """Polynomial mutation (K. Deb, M. Goyal, Comput. Sci. Inform. 26, 30 (1996)) of one coordinate or so."""
        n, dimensions = places.shape
        chosen = np.asarray(self._stream.random(n) < self.rules.mutation)
        where = chosen[:, None] & (self._stream.random(places.shape) < 1 / dimensions)
        draw = self._stream.random(places.shape)
        size = np.where(draw < 0.5, (2 * draw) ** (1 / (_STEEP + 1)) - 1, 1 - (2 * (1 - draw)) ** (1 / (_STEEP + 1)))
        return np.asarray(np.where(where, places + size, places))

    def state(self) -> dict[str, NDArray[Any]]:
        """All that changes; copies."""
        out = {"places": self.places, "velocity": self._velocity}
        for name, designs in (("own", self.own), ("archive", self.archive)):
            out |= {f"{name}_{key}": getattr(designs, key) for key in ("places", "values", "violation")}
        return {**{name: np.array(value) for name, value in out.items()}, "stream": rng.get_state(self._stream)}

    def load(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Undo `state`."""
        self.places, self._velocity = np.array(state["places"]), np.array(state["velocity"])
        self.own, self.archive = (
            Designs(*(np.array(state[f"{name}_{key}"]) for key in ("places", "values", "violation")))
            for name in ("own", "archive")
        )
        rng.set_state(self._stream, state["stream"])
