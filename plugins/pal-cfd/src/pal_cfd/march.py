"""Unsteady flow and temperature, marched in time until their averages have settled.

The flow is a base flow, steady but perhaps unstable, and a deviation v from it: M dv/dt + J v + (v·∇v) + ∇p = -R,
∇·v = 0, with the base flow's Jacobian J and residual R. Second-order backward differences; J is implicit and factorised
once, v·∇v extrapolated (SBDF2: Ascher, Ruuth and Wetton, SIAM J. Numer. Anal. 32, 797, 1995). Temperature likewise.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy.sparse import block_diag, csc_matrix
from scipy.sparse.linalg import splu

from pal_cfd.elements import Elements
from pal_cfd.flow import Flow, FlowProblem, NotConvergedError, Saddle, jacobian, momentum
from pal_cfd.heat import HeatProblem, transport
from pal_cfd.measures import Means, drag, stanton
from pal_cfd.shapes import Floats

__all__ = ["Block", "March", "Start", "blocks", "march"]

_STEP = 0.05
_HALVINGS = 4
_BLOCK = 5.0
_LEAST_BLOCKS = 8
_WILD = 30.0


@dataclass(frozen=True)
class Start:
    """What a march starts from.

    Parameters
    ----------
    base : Flow
        Fulfils the boundary conditions.
    temperature : ndarray, shape (nodes,)
    deviation : ndarray, shape (nodes, 2)
        Of the velocity from that of `base`.
    """

    base: Flow
    temperature: Floats
    deviation: Floats


@dataclass(frozen=True)
class March:
    """Averages, and how they came about.

    Parameters
    ----------
    means : Means
    flow : Flow
        The last one.
    imbalance : float
        Of the heat, beside what the fluid has stored, relative to what one wall passes on.
    swing : float
        Standard deviation of the pressure gradient in the last block, relative to its mean.
    time : float
        How long the march took [half heights / bulk velocity].
    """

    means: Means
    flow: Flow
    imbalance: float
    swing: float
    time: float


@dataclass(frozen=True)
class Block:
    """A part of the march: pressure gradients, mean heat by both walls and what the fluid keeps of it, mean fields."""

    drives: Floats
    heat: Floats
    stored: float
    fields: Floats
    last: Flow


def march(problem: FlowProblem, heat: HeatProblem, start: Start, tolerance: float, longest: float) -> March:
    """Average until two successive quarters of the march differ by less than `tolerance` in cf and st.

    Parameters
    ----------
    problem : FlowProblem
    heat : HeatProblem
    start : Start
    tolerance, longest : float

    Raises
    ------
    NotConvergedError
        If the averages haven't settled in the time `longest`, or the deviation grows beyond all bounds.
    """
    for halving in range(_HALVINGS):
        step = _STEP / 2**halving
        try:
            return _averaged(problem, heat, blocks(problem, heat, start, step), tolerance, longest)
        except FloatingPointError:
            continue
    raise NotConvergedError(f"marching in time breaks down even with steps of {step:g}")


def _averaged(
    problem: FlowProblem, heat: HeatProblem, parts: Iterator[Block], tolerance: float, longest: float
) -> March:
    done: list[Block] = []
    for block in parts:
        done.append(block)
        n, time = len(done), len(done) * _BLOCK
        if n >= _LEAST_BLOCKS and n % 4 == 0:
            third, last = (_means(part) for part in (done[n // 2 : 3 * n // 4], done[3 * n // 4 :]))
            pairs = [_numbers(m, problem.elements, heat.heating) for m in (third, last)]
            apart = max(abs(a - b) / abs(b) for a, b in zip(*pairs, strict=True))
            if apart < tolerance:
                swing = float(np.std(block.drives) / abs(np.mean(block.drives)))
                return March(_means(done[n // 2 :]), block.last, _imbalance(done[n // 2 :]), swing, time)
        if time >= longest:
            raise NotConvergedError(
                f"averages of unsteady flow have not settled to {tolerance:g} in a time of {time:g}"
            )
    raise AssertionError("blocks never end")


def _numbers(means: Means, elements: Elements, heating: str) -> tuple[float, float]:
    return drag(means, elements), stanton(means, elements, heating)


def _means(blocks: list[Block]) -> Means:
    velocity, temperature, carried = np.mean([b.fields for b in blocks], axis=0)
    low, high = np.mean([b.heat for b in blocks], axis=0)
    heat = high if low == high else (high - low) / 2  # into both walls, or through the channel
    drive = float(np.mean([b.drives.mean() for b in blocks]))
    return Means(drive, velocity, temperature, carried, float(heat))


def _imbalance(blocks: list[Block]) -> float:
    low, high = np.mean([b.heat for b in blocks], axis=0)
    stored = float(np.mean([b.stored for b in blocks]))
    carried = low + high if low == high else 0.0  # with heat flux, the flow carries all of it on
    return float((low + high - carried - stored) / max(abs(low), abs(high)))


def blocks(problem: FlowProblem, heat: HeatProblem, start: Start, step: float) -> Iterator[Block]:
    """March without end; a block takes a time of 5. FloatingPointError: the deviation grows beyond all bounds."""
    e, mass, base = problem.elements, problem.elements.mass(), start.base
    both = block_diag([mass, mass], format="csr")
    system = Saddle(problem, both * (1.5 / step) + jacobian(problem, base.velocity))
    rest, none = momentum(problem, base).ravel(), np.zeros(e.vertices)
    warm = _Warming(heat, base.velocity, step)
    now = before = start.deviation.T.ravel()
    now_theta = before_theta = start.temperature
    turn = before_turn = _turning(e, now)
    while True:
        drives, heats, fields, content = [], [], np.zeros((3, e.count)), warm.content(now_theta)
        for _ in range(round(_BLOCK / step)):
            force = both @ (2 * now - before / 2) / step - 2 * turn + before_turn - rest
            new, pressure, drive = system.solve(force, none)
            if not np.abs(new).max() < _WILD:
                raise FloatingPointError
            before, now, before_turn, turn = now, new, turn, _turning(e, new)
            deviation = now.reshape(2, -1).T
            new_theta, passed = warm.step(now_theta, before_theta, deviation)
            before_theta, now_theta = now_theta, new_theta
            streamwise = base.velocity[:, 0] + deviation[:, 0]
            drives.append(base.drive + drive)
            heats.append(passed)
            fields += (streamwise, now_theta, streamwise * now_theta)
        last = Flow(base.velocity + deviation, base.pressure + pressure, drives[-1])
        stored = (warm.content(now_theta) - content) / _BLOCK
        yield Block(np.array(drives), np.mean(heats, axis=0), stored, fields / len(drives), last)


def _turning(e: Elements, deviation: Floats) -> Floats:
    """Integrals of v·∇v with all functions, shape (2 nodes,)."""
    v = deviation.reshape(2, -1).T
    turning = (e.at_points(v)[:, :, None] * e.slope(v)).sum(-1)
    return np.concatenate([e.load(turning[..., c]) for c in (0, 1)])


class _Warming:
    """Steps of the temperature."""

    def __init__(self, problem: HeatProblem, velocity: Floats, step: float) -> None:
        self.problem, self.base, self.dt = problem, velocity, step
        e = problem.elements
        self.mass, self.carry = e.mass(), transport(problem, velocity)
        system = self.mass * (1.5 / step) + self.carry
        # With heat flux, the heat content fixes the level of the temperature; no node needs to.
        self.free = problem.free if problem.heating == "temperatures" else np.arange(e.count)
        self.matrix = system
        self.lu = splu(csc_matrix(system[self.free][:, self.free]))
        self.upper = np.isin(problem.fixed, e.on("upper"))

    def step(self, now: Floats, before: Floats, deviation: Floats) -> tuple[Floats, tuple[float, float]]:
        """The next temperature, and the heat that enters by the lower and the upper wall."""
        p, e = self.problem, self.problem.elements
        ahead = e.at_points(2 * now - before)[..., None] * e.at_points(deviation)
        load = p.source(self.base[:, 0] + deviation[:, 0]) + e.gradient_load(ahead)
        load += self.mass @ (2 * now - before / 2) / self.dt
        new = np.zeros(e.count)
        if p.heating == "temperatures":
            new[p.fixed] = p.values
        new[self.free] = self.lu.solve((load - self.matrix @ new)[self.free])
        if p.heating == "flux":
            return new, (1.0, 1.0)
        reaction = (self.matrix @ new - load)[p.fixed] / p.length
        return new, (float(reaction[~self.upper].sum()), float(reaction[self.upper].sum()))

    def content(self, theta: Floats) -> float:
        """Heat in the fluid, per streamwise length."""
        e = self.problem.elements
        return e.integral(e.at_points(theta)) / self.problem.length
