"""One flow solution on one mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from scipy.interpolate import LinearNDInterpolator

from pal_cfd.curves import Domain
from pal_cfd.elements import Elements
from pal_cfd.flow import Flow, FlowProblem, NotConvergedError, steady
from pal_cfd.heat import HeatProblem, temperature
from pal_cfd.march import Start, march
from pal_cfd.measures import Means, drag, stanton
from pal_cfd.mesher import triangulate
from pal_cfd.shapes import Floats, shifted
from pal_cfd.sizes import Fineness
from pal_cfd.stability import fastest

__all__ = ["FLOW", "Case", "Solution", "solve"]

FLOW = 2.0
"""Flow per width: a bulk velocity of 1 in the empty channel."""
_KICK = 0.1
_STILL = 1e-5


@dataclass(frozen=True)
class Solution:
    """A flow, its temperature, and what they amount to.

    Parameters
    ----------
    elements : Elements
    flow : Flow
    temperature : ndarray, shape (nodes,)
    cf, st : float
    unsteady : bool
    imbalance : float
        Of the heat, relative to what one wall passes on.
    growth : float
        Of the fastest growing disturbance per time; NaN where none was looked for.
    """

    elements: Elements
    flow: Flow
    temperature: Floats
    cf: float
    st: float
    unsteady: bool
    imbalance: float
    growth: float

    def line(self) -> str:
        """One line of evidence."""
        angle, steps = self.elements.mesh.least_angle(), " ".join(f"{r:.1e}" for r in self.flow.residuals)
        return (
            f"{len(self.elements.nodes)} triangles (least angle {angle:.0f}°): cf {self.cf:.6g}, st {self.st:.6g}, "
            f"heat imbalance {self.imbalance:.1e}, growth {self.growth:.2g}, Newton's steps {steps}"
        )


@dataclass(frozen=True)
class Case:
    """Operating point, and what is done about unsteady flow.

    Parameters
    ----------
    reynolds, prandtl : float
    heating : {"temperatures", "flux"}
    stability : bool
        Whether to look for growing disturbances.
    tolerance, longest : float
        Of averages over time, and the time until which they must have settled; disturbances that grow by less than e
        in that time don't count.
    """

    reynolds: float
    prandtl: float
    heating: Literal["temperatures", "flux"]
    stability: bool = True
    tolerance: float = 0.01
    longest: float = 200.0


def solve(domain: Domain, fineness: Fineness, case: Case, start: Solution | None = None) -> Solution:
    """Mesh a periodic channel and solve for its flow and temperature.

    Raises
    ------
    MeshError, NotConvergedError
    """
    elements = Elements(triangulate(domain, fineness))
    viscosity = 2 * FLOW / case.reynolds
    walls = elements.on("lower", "upper", "promoter")
    problem = FlowProblem(elements, viscosity, walls, flux=FLOW * domain.period)
    heat = HeatProblem(elements, viscosity / case.prandtl, case.heating)
    try:
        flow = steady(problem, None if start is None else _carried_over(start, problem))
    except NotConvergedError as error:
        if error.reached is None:
            raise
        return _marched(problem, heat, case, _start(heat, error.reached, _kick(problem)), np.inf)
    growth, mode = fastest(problem, flow) if case.stability else (np.nan, _kick(problem))
    if growth * case.longest > 1:
        return _marched(problem, heat, case, _start(heat, flow, mode), growth)
    return _steady(problem, heat, flow, growth)


def _steady(problem: FlowProblem, heat: HeatProblem, flow: Flow, growth: float) -> Solution:
    warm = temperature(heat, flow.velocity)
    u, theta = flow.velocity[:, 0], warm.temperature
    means = Means(
        flow.drive, u, theta, u * theta, (warm.upper - warm.lower) / 2 if heat.heating == "temperatures" else 1.0
    )
    cf, st = drag(means, problem.elements), stanton(means, problem.elements, heat.heating)
    return Solution(problem.elements, flow, theta, cf, st, False, warm.imbalance, growth)


def _marched(problem: FlowProblem, heat: HeatProblem, case: Case, start: Start, growth: float) -> Solution:
    """Averages over time; or another steady flow, if that is where the march ends."""
    found = march(problem, heat, start, case.tolerance / 2, case.longest)
    if found.swing < _STILL:
        return _steady(problem, heat, steady(problem, found.flow), growth)
    means, e = found.means, problem.elements
    cf, st = drag(means, e), stanton(means, e, heat.heating)
    velocity = np.column_stack([means.velocity, found.flow.velocity[:, 1]])
    flow = Flow(velocity, found.flow.pressure, means.drive)
    return Solution(e, flow, means.temperature, cf, st, True, found.imbalance, growth)


def _start(heat: HeatProblem, base: Flow, mode: Floats) -> Start:
    return Start(base, temperature(heat, base.velocity).temperature, _KICK * mode)


def _kick(problem: FlowProblem) -> Floats:
    """A small disturbance where no mode is known."""
    out = np.random.default_rng(0).normal(size=(problem.elements.count, 2)) / 3
    out[problem.fixed] = 0.0
    return out


def _carried_over(start: Solution, problem: FlowProblem) -> Flow:
    """A flow on another mesh of the same channel, as a start."""
    old, new, period = start.elements, problem.elements, problem.elements.mesh.period
    places = np.concatenate([shifted(old.places, s) for s in (-period, 0.0, period)])
    near = (places[:, 0] > -0.3 * period) & (places[:, 0] < 1.3 * period)
    pressure = np.zeros(old.count)
    pressure[old.nodes] = start.flow.pressure[old.nodes[:, :3]] @ _TO_NODES.T
    fields = np.tile(np.column_stack([start.flow.velocity, pressure]), (3, 1))
    at = new.places.copy()
    at[:, 0] %= period
    found = np.nan_to_num(LinearNDInterpolator(places[near], fields[near])(at))
    velocity = found[:, :2]
    velocity[problem.fixed] = 0.0
    return Flow(velocity, found[: new.vertices, 2] - found[0, 2], start.flow.drive)


_TO_NODES = np.array([[1, 0, 0], [0, 1, 0], [0, 0, 1], [0.5, 0.5, 0], [0, 0.5, 0.5], [0.5, 0, 0.5]])
