"""Outlines drawn around the cells of a mask.

The boundary crosses the line between the centres of a solid and a fluid cell that are neighbours, but where is
unknown. Of all closed curves through these lines, the smoothest one is taken (least squares of second differences): it
has the mask's topology, separates all its centres as the mask does, and comes much closer to the shape that the mask
was made of than its cells.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

from pal_cfd.curves import Curve, Domain
from pal_cfd.shapes import Floats

__all__ = ["masked_channel", "outlines"]

_ITERATIONS = 400
_MARGIN = 0.02  # of the line between two centres, at both of its ends


@dataclass(frozen=True)
class _Crack:
    """A side between a solid and a fluid cell: its ends on the lattice of corners, and the row and column of both."""

    start: tuple[int, int]
    end: tuple[int, int]
    solid: tuple[int, int]
    fluid: tuple[int, int]


def masked_channel(mask: NDArray[np.uint8], length: float) -> Domain:
    """One period of a channel of height 2 by its mask, shape (rows, columns)."""
    rows, columns = mask.shape
    return Domain([(c,) for c in outlines(mask, length / columns, 2 / rows)], length)


def outlines(mask: NDArray[np.uint8], dx: float, dy: float) -> list[Curve]:
    """Smooth outlines of the solid: ``"lower"`` and ``"upper"`` walls, and ``"promoter"`` for the rest.

    Parameters
    ----------
    mask : ndarray of uint8, shape (rows, columns)
        1 in solid cells; what is below row 0 and above the last row is solid. Columns are periodic.
    dx, dy : float
        Size of a cell; its centre is half of that beyond the origin for row 0 and column 0.
    """
    loops = _loops(_cracks(np.pad(mask, ((1, 1), (0, 0)), constant_values=1)), mask.shape[1])
    return [_curve(loop, mask.shape, np.array([dx, dy])) for loop in loops]


def _cracks(solid: NDArray[np.uint8]) -> list[_Crack]:
    """All sides between solid and fluid, with the solid to the left; rows count from the padding."""
    rows, columns = solid.shape
    out = []
    for r, c in np.argwhere(solid == 1).tolist():
        ends = {
            (-1, 0): ((0, 0), (0, 1)),
            (0, 1): ((0, 1), (1, 1)),
            (1, 0): ((1, 1), (1, 0)),
            (0, -1): ((1, 0), (0, 0)),
        }
        for (i, j), (start, end) in ends.items():
            if 0 <= r + i < rows and solid[r + i, (c + j) % columns] == 0:
                corners = ((r + start[0], c + start[1]), (r + end[0], c + end[1]))
                out.append(_Crack(*corners, (r, c), (r + i, c + j)))
    return out


def _loops(cracks: list[_Crack], columns: int) -> list[list[_Crack]]:
    """Sides joined end to start. Where four meet, fluid is not connected across the corner."""
    waiting: dict[tuple[int, int], list[_Crack]] = defaultdict(list)
    for crack in cracks:
        waiting[crack.start[0], crack.start[1] % columns].append(crack)
    out = []
    for first in cracks:
        if first not in waiting[first.start[0], first.start[1] % columns]:
            continue
        loop, crack = [], first
        while crack in (options := waiting[crack.start[0], crack.start[1] % columns]):
            options.remove(crack)
            loop.append(crack)
            following = waiting[crack.end[0], crack.end[1] % columns]
            crack = min(following, key=lambda n, last=crack: _turn(last, n), default=first)  # type: ignore[misc]
        out.append(loop)
    return out


def _turn(last: _Crack, following: _Crack) -> int:
    """-1 to the right, 1 to the left."""
    (a, b), (c, d) = (
        [e[k] - s[k] for k in (1, 0)] for s, e in ((last.start, last.end), (following.start, following.end))
    )
    return a * d - b * c


def _curve(loop: list[_Crack], shape: tuple[int, ...], cell: Floats) -> Curve:
    rows, columns = shape[0], shape[1]
    solid, fluid, shift = [], [], 0
    for before, crack in zip([loop[0], *loop[:-1]], loop, strict=True):
        shift += round((before.end[1] - crack.start[1]) / columns) * columns if crack is not loop[0] else 0
        solid.append((crack.solid[1] + shift, crack.solid[0] - 1))
        fluid.append((crack.fluid[1] + shift, crack.fluid[0] - 1))
    turns = round((loop[-1].end[1] + shift - loop[0].start[1]) / columns)
    a, b = ((np.array(p, float) + 0.5) * cell for p in (solid, fluid))
    edge = np.array([r in (-1, rows) for _, r in solid])
    total = np.array([turns * columns * cell[0], 0.0])
    points = _smoothest(a, b, np.where(edge, 0.5, _MARGIN), total, float(cell.min()))
    return Curve(
        {0: "promoter", -1: "lower", 1: "upper"}[turns], _spline(points, total, float(cell.min())), refine=not turns
    )


def _smoothest(a: Floats, b: Floats, least: Floats, total: Floats, cell: float) -> Floats:
    """Points between a and b, shape (n, 2) each, with the least second differences."""
    d, scale = b - a, cell * cell

    def energy(t: Floats) -> tuple[float, Floats]:
        p = a + t[:, None] * d
        after, before = np.roll(p, -1, 0), np.roll(p, 1, 0)
        after[-1] += total
        before[0] -= total
        bend = after - 2 * p + before
        slope = np.roll(bend, -1, 0) - 2 * bend + np.roll(bend, 1, 0)
        return float((bend * bend).sum()) / scale, 2 * (slope * d).sum(1) / scale

    limits = list(zip(least, np.full(len(least), 1 - _MARGIN), strict=True))
    start = np.full(len(a), 0.5)
    options = {"maxiter": _ITERATIONS, "maxfun": 2 * _ITERATIONS, "ftol": 1e-12, "gtol": 1e-7}
    found = minimize(energy, start, jac=True, bounds=limits, method="L-BFGS-B", options=options)
    out: Floats = a + found.x[:, None] * d
    return out


def _spline(points: Floats, total: Floats, cell: float) -> Callable[[Floats], Floats]:
    """A smooth curve through points evenly spaced along a polygon, by a parameter from 0 to 1."""
    closed = np.concatenate([points, points[:1] + total])
    s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(closed, axis=0), axis=1))])
    keep = np.concatenate([[True], np.diff(s) > 1e-9 * s[-1]])
    n = max(8, round(s[-1] / cell))
    at = np.linspace(0, 1, n + 1)
    even = np.stack([np.interp(at * s[-1], s[keep], closed[keep, k]) for k in (0, 1)], 1)
    even[-1] = even[0] + total
    swing = CubicSpline(at, even - at[:, None] * total, bc_type="periodic")
    return lambda t: swing(t) + np.asarray(t)[:, None] * total
