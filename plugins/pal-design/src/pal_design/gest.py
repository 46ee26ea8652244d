"""Generators that follow gest-api, such as those of Xopt, Optimas and libEnsemble, as walkers.

gest-api (https://github.com/campa-consortium/generator_standard) has two methods: ``suggest`` gives points, ``ingest``
takes what is known of them. Here that is what the committee predicts.
"""

from __future__ import annotations

import inspect
from abc import ABC
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Proposal, Sample, State, Stop
from pal_core.spec import load_target

from pal_design.gest_options import GestOptions
from pal_design.walker import DesignWalker, answers

__all__ = ["GeneratorError", "GestWalker"]

_EXCESS = "excess"
Floats = NDArray[np.float64]


class GeneratorError(ValueError):
    """A generator that can't be built, or that breaks its standard."""


class GestWalker(DesignWalker, ABC):
    """Asks a generator for designs and tells it what the committee predicts of them.

    The generator sees a `VOCS` with the space's parameters and bounds, and the goals' objectives, all to be minimised.
    Where goals have limits, it has one constraint, ``excess <= 0``. Designs that are not admissible are told as
    infinitely bad, and are never proposed. A prediction that isn't finite is not told at all.

    The standard knows no snapshots. A restored walker builds the generator anew and tells it all that the old one was
    told: one that is determined by that goes on alike, one with a random stream of its own takes another way.
    """

    options: GestOptions

    def __init__(self, options: GestOptions, context: Context) -> None:
        super().__init__(options, context)
        self._generator = _built(options, self._vocs(), context)
        self._told: list[list[float]] = []
        self._points: list[dict[str, Any]] = []
        self._turns = 0

    def _vocs(self) -> Any:
        try:
            from gest_api.vocs import VOCS
        except ImportError as error:
            raise GeneratorError("generators of other libraries need gest-api: pip install pal-design[gest]") from error
        bounds = zip(self.space.lower, self.space.upper, strict=True)
        variables = {n: [float(a), float(b)] for n, (a, b) in zip(self.space.names, bounds, strict=True)}
        constraints = {_EXCESS: ["LESS_THAN", _SMALL]} if self.goals.limited else {}
        return VOCS(
            variables=variables, objectives=dict.fromkeys(self.goals.names, "MINIMIZE"), constraints=constraints
        )

    def propose(self, feedback: Any) -> Sequence[Sample | Proposal] | Stop:
        """What the generator suggests, as far as it is admissible."""
        if feedback is not None:
            self._hear(answers(feedback))
            self._turns += 1
            self._points = []
        if self.options.turns is not None and self._turns >= self.options.turns:
            return Stop(f"{self.options.turns} turns done")
        if not self._points:
            self._points = self._suggested()
        return [Proposal(self.space.sample(self._vector(point)), self.options.label or None) for point in self._points]

    def _suggested(self) -> list[dict[str, Any]]:
        """Admissible points; the generator hears of the others at once, and is asked again."""
        for _ in range(_TRIES):
            points = [dict(point) for point in self._generator.suggest(self.options.batch)]
            if not points:
                raise GeneratorError(f"{self.options.generator} suggests nothing")
            good = [self.space.admissible(self._vector(point)) for point in points]
            worst = np.full(len(self.goals.names), _WORST)
            self._tell([(p, worst, _WORST) for p, fits in zip(points, good, strict=True) if not fits])
            if any(good):
                return [p for p, fits in zip(points, good, strict=True) if fits]
        raise GeneratorError(f"{self.options.generator} suggests no admissible design in {_TRIES} turns")

    def _vector(self, point: Mapping[str, Any]) -> Floats:
        missing = [name for name in self.space.names if name not in point]
        if missing:
            raise GeneratorError(
                f"{self.options.generator} suggests a point without {', '.join(missing)}: {dict(point)}"
            )
        return np.array([float(point[name]) for name in self.space.names])

    def _hear(self, feedbacks: Sequence[Any]) -> None:
        verdict = self.goals.judge(feedbacks)
        told = zip(self._points, verdict.values, verdict.violation, strict=True)
        self._tell([(p, v, x) for p, v, x in told if np.isfinite(x)])

    def _tell(self, results: Sequence[tuple[Mapping[str, Any], Floats, float]]) -> None:
        rows = [self._row(point, values, violation) for point, values, violation in results]
        if rows:
            self._generator.ingest(rows)
        self._told += [[float(row[name]) for name in self._columns] for row in rows]

    def _row(self, point: Mapping[str, Any], values: Floats, violation: float) -> dict[str, Any]:
        objectives = dict(zip(self.goals.names, map(float, values), strict=True))
        return {**point, **objectives, **({_EXCESS: float(violation)} if self.goals.limited else {})}

    @property
    def _columns(self) -> tuple[str, ...]:
        return (*self.space.names, *self.goals.names, *([_EXCESS] if self.goals.limited else []))

    def snapshot(self) -> State:
        """All that the generator has been told, and the outstanding designs."""
        points = [[float(p[name]) for name in self.space.names] for p in self._points]
        return {
            **super().snapshot(),
            "told": np.array(self._told, np.float64).reshape(-1, len(self._columns)),
            "points": np.array(points, np.float64).reshape(-1, self.space.dimensions),
            "turns": np.array(self._turns),
        }

    def restore(self, state: State) -> None:
        """Propose the outstanding designs again; the generator doesn't know them as its own any more."""
        super().restore(state)
        self._told = np.asarray(state["told"]).tolist()
        rows = [dict(zip(self._columns, row, strict=True)) for row in self._told]
        if rows:
            self._generator.ingest(rows)
        self._points = [dict(zip(self.space.names, row, strict=True)) for row in np.asarray(state["points"]).tolist()]
        self._turns = int(state["turns"])

    def close(self) -> None:
        """Let the generator end what it has under way; one that was never asked may have nothing to end."""
        if self._points or self._told:
            self._generator.finalize()


_TRIES = 100
_SMALL = 1e-12
"""A limit is kept if the excess is below this: gest-api's comparison is strict."""
_WORST = 1e6
"""What is told of designs that can't be: finite, since models are fitted to it."""


def _built(options: GestOptions, vocs: Any, context: Context) -> Any:
    try:
        made = load_target(options.generator)
    except (ImportError, AttributeError) as error:
        raise GeneratorError(f"there is no generator {options.generator}: {error}") from error
    missing = [name for name in ("suggest", "ingest", "finalize") if not callable(getattr(made, name, None))]
    if missing:
        raise GeneratorError(f"{options.generator} is no generator of gest-api: it has no {', '.join(missing)}")
    arguments = dict(options.arguments)
    if options.seed_argument is not None:
        # 32 bits, which all random generators take.
        arguments[options.seed_argument] = context.random_seed("generator") % 2**32
    # Xopt's are pydantic models, which take no arguments by place.
    by_name = "vocs" in inspect.signature(made).parameters or hasattr(made, "model_fields")
    return made(vocs=vocs, **arguments) if by_name else made(vocs, **arguments)
