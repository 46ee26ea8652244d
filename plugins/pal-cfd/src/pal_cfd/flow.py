"""Steady incompressible flow on triangles, by Newton's method.

Density is 1. Weak form: (u·∇u, v) + ν(∇u, ∇v) - (p, ∇·v) + (∇·u, q) = G (1, v_x), with the mean pressure gradient -G as
a multiplier of the fixed mass flux in periodic channels, and G = 0 in others, whose outlets have ν ∂u/∂n = p n.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
from scipy.sparse import bmat, csc_matrix, csr_matrix
from scipy.sparse.linalg import SuperLU, splu

from pal_cfd.elements import Elements
from pal_cfd.mesher import Ints
from pal_cfd.shapes import Floats

__all__ = ["Flow", "FlowProblem", "NotConvergedError", "Saddle", "steady"]

_STEPS = 25


class NotConvergedError(Exception):
    """Iterations that led nowhere; the message has the residuals, `reached` the flow to which others led, if any."""

    reached: Flow | None = None


@dataclass(frozen=True)
class FlowProblem:
    """What flows where.

    Parameters
    ----------
    elements : Elements
    viscosity : float
        Kinematic.
    fixed : ndarray of int64
        Nodes of given velocity.
    given : ndarray, shape (len(fixed), 2)
        Velocity there; empty for walls at rest.
    flux : float or None
        Integral of the streamwise velocity over the fluid (mass flux times period); None where the flow enters by
        an inlet.
    """

    elements: Elements
    viscosity: float
    fixed: Ints
    given: Floats = field(default_factory=lambda: np.empty((0, 2)))
    flux: float | None = None


@dataclass(frozen=True)
class Flow:
    """Velocity, shape (nodes, 2), pressure, shape (vertices,), and gradient -dp/dx of the mean pressure."""

    velocity: Floats
    pressure: Floats
    drive: float = 0.0
    residuals: tuple[float, ...] = ()


class Saddle:
    """A factorised system of velocity, pressure and, in periodic channels, the pressure gradient.

    Parameters
    ----------
    problem : FlowProblem
    block : csr_matrix, shape (2 nodes, 2 nodes)
        Acts on velocities; all components along x come first.
    """

    def __init__(self, problem: FlowProblem, block: csr_matrix) -> None:
        e = problem.elements
        free = np.setdiff1d(np.arange(e.count), problem.fixed)
        self.free = np.concatenate([free, e.count + free])
        # Where the velocity is given all around, the pressure is known up to a constant only.
        self.first = int(np.isin(e.on(*e.mesh.boundary.tag), problem.fixed).all())
        divergence = bmat([list(e.divergence)], format="csr")[self.first :, self.free]
        system = bmat([[block[self.free][:, self.free], -divergence.T], [divergence, None]], format="csc")
        self.size, self.vertices = 2 * e.count, e.vertices
        self.lu: SuperLU = splu(csc_matrix(system))
        self.row: Floats | None = None
        if problem.flux is not None:
            self.row = np.concatenate([e.load(np.ones_like(e.weight)), np.zeros(e.count)])
            self.push = self._solve(self.row, np.zeros(e.vertices))

    def solve(self, force: Floats, source: Floats, flux: float = 0.0) -> tuple[Floats, Floats, float]:
        """Velocity, shape (2 nodes,), pressure and drive for right-hand sides and an integral of the velocity."""
        velocity, pressure = self._solve(force, source)
        if self.row is None:
            return velocity, pressure, 0.0
        drive = (flux - self.row @ velocity) / (self.row @ self.push[0])
        return velocity + drive * self.push[0], pressure + drive * self.push[1], float(drive)

    def _solve(self, force: Floats, source: Floats) -> tuple[Floats, Floats]:
        out = self.lu.solve(np.concatenate([force[self.free], source[self.first :]]))
        velocity, pressure = np.zeros(self.size), np.zeros(self.vertices)
        velocity[self.free], pressure[self.first :] = out[: len(self.free)], out[len(self.free) :]
        return velocity, pressure


def momentum(problem: FlowProblem, flow: Flow) -> Floats:
    """Residual of the momentum equation, shape (2, nodes); on walls it is the force that the wall exerts."""
    e, u = problem.elements, flow.velocity
    inertia = (e.at_points(u)[:, :, None] * e.slope(u)).sum(-1)
    out = np.stack([e.load(inertia[..., c]) for c in (0, 1)]) + problem.viscosity * (e.stiffness @ u).T
    out -= np.stack([d.T @ flow.pressure for d in e.divergence])
    out[0] -= flow.drive * e.load(np.ones_like(e.weight))
    return np.asarray(out)


def jacobian(problem: FlowProblem, velocity: Floats, inertia: float = 1.0) -> csr_matrix:
    """Derivative of the momentum equation by the velocity, shape (2 nodes, 2 nodes)."""
    e = problem.elements
    shared = problem.viscosity * e.stiffness
    if inertia == 0.0:
        return bmat([[shared, None], [None, shared]], format="csr")
    shared = shared + inertia * e.convection(e.at_points(velocity))
    s = inertia * e.slope(velocity)
    across = [[e.mass(s[..., c, d]) for d in (0, 1)] for c in (0, 1)]
    return bmat([[shared + across[0][0], across[0][1]], [across[1][0], shared + across[1][1]]], format="csr")


def stokes(problem: FlowProblem) -> Flow:
    """Flow without inertia."""
    e = problem.elements
    velocity = np.zeros((e.count, 2))
    if len(problem.given):
        velocity[problem.fixed] = problem.given
    block = jacobian(problem, velocity, 0.0)
    source = -sum((d @ velocity[:, i] for i, d in enumerate(e.divergence)), np.zeros(e.vertices))
    u, p, drive = Saddle(problem, block).solve(-block @ velocity.T.ravel(), source, problem.flux or 0.0)
    return Flow(velocity + u.reshape(2, -1).T, p, drive)


def newton(problem: FlowProblem, flow: Flow, tolerance: float) -> Flow:
    """Solve from a start that fulfils the boundary conditions.

    Raises
    ------
    NotConvergedError
        If the steps don't become as small as `tolerance`, relative to the largest velocity.
    """
    e, sizes = problem.elements, list[float]()
    for _ in range(_STEPS):
        u = flow.velocity
        source = -sum((d @ u[:, i] for i, d in enumerate(e.divergence)), np.zeros(e.vertices))
        missing = 0.0 if problem.flux is None else problem.flux - e.integral(e.at_points(u[:, 0]))
        system = Saddle(problem, jacobian(problem, u))
        du, dp, dg = system.solve(-momentum(problem, flow).ravel(), source, missing)
        sizes.append(float(np.abs(du).max() / np.abs(u).max()))
        flow = Flow(u + du.reshape(2, -1).T, flow.pressure + dp, flow.drive + dg, tuple(sizes))
        if sizes[-1] < tolerance:
            return flow
        if not np.isfinite(sizes[-1]) or sizes[-1] > 1e3:
            break
    raise NotConvergedError("Newton's steps, relative to the largest velocity: " + " ".join(f"{s:.2e}" for s in sizes))


def steady(problem: FlowProblem, start: Flow | None = None, tolerance: float = 1e-8) -> Flow:
    """The steady flow, by way of more viscous ones where it can't be reached at once.

    Raises
    ------
    NotConvergedError
        If no way leads there; whether the flow is stable is another question.
    """
    flow, factor, reached = start or stokes(problem), 1.0, np.inf
    while True:
        viscous = replace(problem, viscosity=factor * problem.viscosity)
        try:
            found = newton(viscous, flow, tolerance if factor == 1.0 else 1e-3)
        except NotConvergedError as error:
            easier = 4 * factor if np.isinf(reached) else float(np.sqrt(factor * reached))
            if easier > 300 or easier / factor < 1.05:
                stuck = NotConvergedError(f"at {1 / factor:.3g} times the Reynolds number: {error}")
                stuck.reached = flow
                raise stuck from error
            factor = easier
            continue
        if factor == 1.0:
            return found
        flow, reached = found, factor
        factor = 1.0 if factor < 4 else factor / 4
