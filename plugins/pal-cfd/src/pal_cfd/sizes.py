"""How fine the mesh is to be, everywhere."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from pal_cfd.curves import Curve, Domain
from pal_cfd.shapes import Floats, shifted

__all__ = ["Fineness", "Sizes", "dense"]

_DENSE = 400


@dataclass(frozen=True)
class Fineness:
    """Edge lengths [half heights].

    Parameters
    ----------
    wall, promoter : float
        Along walls and promoters.
    largest : float
        Anywhere.
    growth : float
        Of the edge length per distance from the boundary.
    arc : float
        Along curved boundaries, per radius of curvature.
    gap : float
        Per width of a gap between boundaries.
    corner : float
        At corners of promoters, per edge length along promoters.
    """

    wall: float = 0.12
    promoter: float = 0.08
    largest: float = 0.2
    growth: float = 0.3
    arc: float = 0.5
    gap: float = 0.35
    corner: float = 0.2

    def finer(self, factor: float) -> Fineness:
        """All edges `factor` times as short."""
        f = 1 / factor
        lengths = (self.wall * f, self.promoter * f, self.largest * f)
        return Fineness(*lengths, self.growth, self.arc * f, self.gap * f, self.corner)


def dense(curve: Curve) -> tuple[Floats, Floats]:
    """Parameters, shape (n,), and points, shape (n, 2), closely along a curve, both ends included."""
    t = np.unique(np.concatenate([np.linspace(0, 1, _DENSE + 1), curve.breaks]))
    return t, curve.at(t)


class Sizes:
    """Edge length as a function of place: as the boundary wants it, growing away from there.

    The boundary's own wishes are made to grow no faster first; then the nearest point of it is all that counts.
    """

    def __init__(self, domain: Domain, fineness: Fineness) -> None:
        points, wanted = _along_boundaries(domain, fineness)
        images = _with_images(points, domain.period)
        away = np.linalg.norm(points[:, None] - images, axis=-1).reshape(len(points), -1, len(points)).min(1)
        self.wanted = (wanted + fineness.growth * away).min(1)
        self.tree, self.period, self.fineness = cKDTree(images), domain.period, fineness

    def __call__(self, points: Floats) -> Floats:
        """Edge length at `points`, shape (n, 2)."""
        at = np.array(points, np.float64)
        if self.period:
            at[:, 0] %= self.period
        distance, nearest = self.tree.query(at)
        wanted = self.wanted[nearest % len(self.wanted)] + self.fineness.growth * distance
        out: Floats = np.minimum(wanted, self.fineness.largest)
        return out


def _with_images(points: Floats, period: float) -> Floats:
    if not period:
        return points
    return np.concatenate([points, shifted(points, -period), shifted(points, period)])


def _along_boundaries(domain: Domain, fineness: Fineness) -> tuple[Floats, Floats]:
    """Points along all curves, and the edge length wanted there."""
    loops = [np.concatenate([dense(c)[1][:-1] for c in loop]) for loop in domain.loops]
    points, wanted = [], []
    for k, loop in enumerate(domain.loops):
        others = [_with_images(p, domain.period) for i, p in enumerate(loops) if i != k]
        tree = cKDTree(np.concatenate(others)) if others else None
        for curve in loop:
            p = dense(curve)[1]
            size = _by_curve(curve, p, fineness)
            if tree is not None:
                size = np.minimum(size, fineness.gap * tree.query(p)[0])
            stride = max(1, len(p) // 130)
            points.append(p[::stride])
            wanted.append(size[::stride])
    return np.concatenate(points), np.concatenate(wanted)


def _by_curve(curve: Curve, p: Floats, fineness: Fineness) -> Floats:
    size = np.full(len(p), fineness.promoter if curve.refine else fineness.wall)
    if not curve.refine and curve.tag in ("inlet", "outlet"):
        size[:] = fineness.largest
    before, after = p[1:-1] - p[:-2], p[2:] - p[1:-1]
    turn = before[:, 0] * after[:, 1] - before[:, 1] * after[:, 0]
    angle = np.abs(np.arctan2(turn, (before * after).sum(1)))
    radius = (np.linalg.norm(before, axis=1) + np.linalg.norm(after, axis=1)) / 2 / np.maximum(angle, 1e-9)
    sharp = angle > 0.5
    size[1:-1][~sharp] = np.minimum(size[1:-1], fineness.arc * radius)[~sharp]
    size[1:-1][sharp] = fineness.corner * size[1:-1][sharp]
    if len(curve.breaks) > 1:
        size[[0, -1]] *= fineness.corner
    return size
