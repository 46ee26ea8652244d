"""Temperature as a passive scalar on a known flow.

∇·(u θ - κ ∇θ) = 0, with density and heat capacity 1, so that κ is the diffusivity as well as the conductivity. In this
form what enters leaves, on any mesh. Promoters are adiabatic.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.sparse import csc_matrix, csr_matrix
from scipy.sparse.linalg import splu

from pal_cfd.elements import Elements
from pal_cfd.shapes import Floats

__all__ = ["Heat", "HeatProblem", "balance", "temperature", "transport"]


@dataclass(frozen=True)
class Heat:
    """Temperature and heat.

    Parameters
    ----------
    temperature : ndarray, shape (nodes,)
        With heat flux: without its rise along the channel.
    lower, upper : float
        Heat that enters the fluid by each wall, per streamwise length.
    imbalance : float
        Heat that enters less heat that leaves or is carried off, relative to what one wall passes on.
    """

    temperature: Floats
    lower: float
    upper: float
    imbalance: float


class HeatProblem:
    """What is heated, and how.

    Parameters
    ----------
    elements : Elements
    diffusivity : float
    heating : {"temperatures", "flux"}
        Walls at 0 and 1, or the same heat flux of 1 per streamwise length into both, evenly over each wall.
    """

    def __init__(self, elements: Elements, diffusivity: float, heating: str) -> None:
        self.elements, self.diffusivity, self.heating = elements, diffusivity, heating
        self.length = elements.mesh.period
        if heating == "temperatures":
            upper = elements.on("upper")
            self.fixed = np.union1d(elements.on("lower"), upper)
            self.values = np.isin(self.fixed, upper).astype(float)
        else:
            self.fixed, self.values = np.array([0]), np.zeros(1)
        self.free = np.setdiff1d(np.arange(elements.count), self.fixed)

    def source(self, streamwise: Floats) -> Floats:
        """Heat by walls less what warms the fluid along the channel, for velocities along it, shape (n,)."""
        if self.heating == "temperatures":
            return np.zeros(self.elements.count)
        walls = [self.elements.along(tag) for tag in ("lower", "upper")]
        rise = 2 * self.length / self.elements.integral(self.elements.at_points(streamwise))
        out = -rise * self.elements.load(self.elements.at_points(streamwise))
        for wall in walls:
            out += self.length * wall / wall.sum()
        return out


def transport(problem: HeatProblem, velocity: Floats) -> csr_matrix:
    """Matrix of conduction and convection, shape (nodes, nodes)."""
    e = problem.elements
    return problem.diffusivity * e.stiffness - e.convection(e.at_points(velocity)).T.tocsr()


def temperature(problem: HeatProblem, velocity: Floats) -> Heat:
    """Temperature of a steady flow, velocity of shape (nodes, 2)."""
    e = problem.elements
    matrix = transport(problem, velocity)
    theta, source = np.zeros(e.count), problem.source(velocity[:, 0])
    theta[problem.fixed] = problem.values
    load = (source - matrix @ theta)[problem.free]
    theta[problem.free] = splu(csc_matrix(matrix[problem.free][:, problem.free])).solve(load)
    return balance(problem, theta, matrix @ theta - source)


def balance(problem: HeatProblem, theta: Floats, residual: Floats) -> Heat:
    """Heat by each wall, from what the equations of its nodes lack, and whether it adds up."""
    if problem.heating == "flux":
        return Heat(theta, 1.0, 1.0, float(residual.sum()) / problem.length)
    upper = np.isin(problem.fixed, problem.elements.on("upper"))
    reaction = residual[problem.fixed] / problem.length
    low, high = float(reaction[~upper].sum()), float(reaction[upper].sum())
    return Heat(theta, low, high, (low + high) / max(abs(low), abs(high)))
