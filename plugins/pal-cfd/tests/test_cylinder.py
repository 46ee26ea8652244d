"""Steady flow around a cylinder in a channel: the benchmark DFG 2D-1 (Schäfer and Turek, 1996).

Reference values: Nabh, thesis, Heidelberg 1998 (drag, lift, pressure difference).
"""

from __future__ import annotations

import numpy as np
import pytest

from pal_cfd.contours import outlines
from pal_cfd.curves import Curve, Domain, box, circle
from pal_cfd.elements import Elements
from pal_cfd.flow import FlowProblem, momentum, steady
from pal_cfd.mesher import triangulate
from pal_cfd.sizes import Fineness

DRAG, LIFT, DIFFERENCE = 5.57953523384, 0.010618948146, 0.11752016697
WIDTH, HEIGHT, X, Y, RADIUS = 2.2, 0.41, 0.2, 0.2, 0.05
FINE = Fineness(wall=0.02, promoter=0.004, largest=0.03, growth=0.12)


def solved(cylinder, fineness):
    e = Elements(triangulate(Domain([box(WIDTH, HEIGHT), [cylinder]]), fineness))
    fixed = e.on("lower", "upper", "inlet", "promoter")
    y = e.places[fixed, 1]
    inflow = np.where(np.isin(fixed, e.on("inlet")), 4 * 0.3 * y * (HEIGHT - y) / HEIGHT**2, 0)
    problem = FlowProblem(e, 1e-3, fixed, np.stack([inflow, 0 * y], 1))
    flow = steady(problem)
    drag, lift = -momentum(problem, flow)[:, e.on("promoter")].sum(1) * 2 / (0.2**2 * 2 * RADIUS)
    return drag, lift, pressure(e, flow, np.pi) - pressure(e, flow, 0)


def pressure(e, flow, angle):
    """On the cylinder, between the nearest vertices."""
    vertices = e.mesh.boundary.start[np.array(e.mesh.boundary.tag) == "promoter"]
    x, y = e.mesh.vertices[vertices].T
    return np.interp(angle, np.arctan2(y - Y, x - X), flow.pressure[vertices], period=2 * np.pi)


def test_mesh_that_fits_the_cylinder():
    drag, lift, difference = solved(circle(X, Y, RADIUS), FINE)
    assert drag == pytest.approx(DRAG, rel=1e-3)
    assert lift == pytest.approx(LIFT, rel=5e-3)
    assert difference == pytest.approx(DIFFERENCE, rel=5e-3)


def masked_cylinder(cell):
    """The cylinder's outline from cells that lie inside."""
    n = int(0.4 / cell)
    at = (np.arange(n) + 0.5) * cell
    cells = ((at[:, None] - Y) ** 2 + (at - X) ** 2 < RADIUS**2).astype(np.uint8)
    (found,) = (c for c in outlines(cells, cell, cell) if c.tag == "promoter")
    return found


def test_mask():
    drag, lift, difference = solved(masked_cylinder(0.00125), FINE)
    assert drag == pytest.approx(DRAG, rel=0.03)
    assert lift == pytest.approx(LIFT, rel=0.03)
    assert difference == pytest.approx(DIFFERENCE, rel=0.03)


def kovasznay(places):
    """An exact solution of the Navier-Stokes equations (Kovasznay, 1948), Reynolds number 40."""
    x, y = places.T - np.array([[0.5], [0.5]])
    k = 20 - np.sqrt(400 + 4 * np.pi**2)
    growth = np.exp(k * x)
    return np.stack([1 - growth * np.cos(2 * np.pi * y), k / (2 * np.pi) * growth * np.sin(2 * np.pi * y)], 1)


def test_velocity_converges_with_the_third_order():
    errors = []
    for size in (0.2, 0.1):
        sides = [Curve(c.tag, c.at) for c in box(1.5, 2.0)]
        e = Elements(triangulate(Domain([sides]), Fineness(wall=size, largest=size, growth=1.0)))
        fixed = e.on("lower", "upper", "inlet", "outlet")
        flow = steady(FlowProblem(e, 1 / 40, fixed, kovasznay(e.places[fixed])))
        wrong = e.at_points(flow.velocity - kovasznay(e.places))
        errors.append((len(e.nodes), e.integral((wrong**2).sum(-1)) ** 0.5))
    (n, coarse), (m, fine) = errors
    assert fine < 2e-3
    assert np.log(coarse / fine) / np.log((m / n) ** 0.5) == pytest.approx(3, abs=0.5)
