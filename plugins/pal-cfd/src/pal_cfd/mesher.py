"""Triangles that fit a domain's boundary, periodic along the channel.

Points on the boundary are as far apart as the sizes say; points inside start as centres of a quadtree and are moved
apart by forces along the edges (Persson and Strang, SIAM Review 46, 329, 2004). Their Delaunay triangulation is the
mesh. Along the period, points have copies beyond both ends, so the mesh has no seam.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, cKDTree

from pal_cfd.curves import Curve, Domain
from pal_cfd.shapes import Floats, shifted
from pal_cfd.sizes import Fineness, Sizes, dense

__all__ = ["Boundary", "MeshError", "Triangulation", "triangulate"]

Ints = NDArray[np.int64]
_ROUNDS = 10
_REPAIRS = 6


class MeshError(Exception):
    """No mesh fits the boundary."""


@dataclass(frozen=True)
class Boundary:
    """Edges of the mesh on the domain's boundary.

    Parameters
    ----------
    start, end : ndarray of int64, shape (edges,)
        Vertices; the first ones of all vertices are those on the boundary.
    middle : ndarray, shape (edges, 2)
        Point of the boundary half way along its parameter.
    tag : tuple of str
        Tag of each edge's curve.
    """

    start: Ints
    end: Ints
    middle: Floats
    tag: tuple[str, ...]


@dataclass(frozen=True)
class Triangulation:
    """A mesh on the cylinder that a period makes.

    Parameters
    ----------
    vertices : ndarray, shape (n, 2)
    triangles : ndarray of int64, shape (m, 3)
        Vertices, counter-clockwise.
    copy : ndarray of int64, shape (m, 3)
        How many periods each corner lies beyond its vertex.
    boundary : Boundary
    period : float
    """

    vertices: Floats
    triangles: Ints
    copy: Ints
    boundary: Boundary
    period: float

    @property
    def corners(self) -> Floats:
        """Corners of each triangle, shape (m, 3, 2)."""
        out = self.vertices[self.triangles]
        out[..., 0] += self.copy * self.period
        return out

    def least_angle(self) -> float:
        """Smallest angle of all triangles [degrees]."""
        c = self.corners
        sides = np.linalg.norm(np.roll(c, -1, 1) - c, axis=2)
        a, b, d = sides[:, 0], sides[:, 1], sides[:, 2]
        cosines = [(a * a + b * b - d * d) / (2 * a * b), (b * b + d * d - a * a) / (2 * b * d)]
        cosines.append((a * a + d * d - b * b) / (2 * a * d))
        return float(np.degrees(np.arccos(np.clip(np.max(cosines), -1, 1))))


def triangulate(domain: Domain, fineness: Fineness) -> Triangulation:
    """Mesh a domain.

    Raises
    ------
    MeshError
        If boundary edges are still missing after some have been halved.
    """
    sizes = Sizes(domain, fineness)
    marks = [[_marks(curve, sizes) for curve in loop] for loop in domain.loops]
    inner = _quadtree(domain, sizes, np.concatenate([c.at(m) for c, m in _each(domain, marks)]))
    for _ in range(_REPAIRS):
        boundary, fixed = _boundary(domain, marks)
        inner = _spread(inner, fixed, boundary, sizes, domain.period)
        mesh, missing = _mesh(np.concatenate([fixed, inner]), boundary, domain.period)
        if mesh is not None:
            return mesh
        marks = _halved(domain, marks, missing)
    raise MeshError(
        f"{len(missing)} edges of the boundary are missing in the mesh, near {fixed[boundary.start[missing[0]]]}"
    )


def _each(domain: Domain, marks: list[list[Floats]]) -> list[tuple[Curve, Floats]]:
    return [(c, m) for loop, row in zip(domain.loops, marks, strict=True) for c, m in zip(loop, row, strict=True)]


def _marks(curve: Curve, sizes: Sizes) -> Floats:
    """Parameters of the mesh's points along a curve, its end excluded."""
    t, p = dense(curve)
    steps = np.linalg.norm(np.diff(p, axis=0), axis=1)
    edges = np.concatenate([[0.0], np.cumsum(steps / sizes((p[1:] + p[:-1]) / 2))])
    stops = np.interp([*curve.breaks, 1.0], t, edges)
    least = 12 if len(curve.breaks) == 1 and curve.refine else 2
    parts = []
    for a, b in pairwise(stops):
        n = max(least, int(np.ceil(b - a)))
        parts.append(np.interp(a + np.arange(n) / n * (b - a), edges, t))
    return np.concatenate(parts)


def _boundary(domain: Domain, marks: list[list[Floats]]) -> tuple[Boundary, Floats]:
    """Edges and vertices along all curves."""
    points, start, end, middle, tags, count = [], [], [], [], [], 0
    for loop, row in zip(domain.loops, marks, strict=True):
        n = sum(map(len, row))
        ids = count + np.arange(n)
        start.append(ids)
        end.append(np.roll(ids, -1))
        for curve, m in zip(loop, row, strict=True):
            points.append(curve.at(m))
            middle.append(curve.at((m + np.append(m[1:], 1.0)) / 2))
            tags += [curve.tag] * len(m)
        count += n
    return Boundary(np.concatenate(start), np.concatenate(end), np.concatenate(middle), tuple(tags)), np.concatenate(
        points
    )


def _halved(domain: Domain, marks: list[list[Floats]], missing: Ints) -> list[list[Floats]]:
    """The marks with new ones in the middle of missing edges (edges are numbered as the marks are)."""
    out, count = [], 0
    for row in marks:
        new = []
        for m in row:
            k = missing[(missing >= count) & (missing < count + len(m))] - count
            new.append(np.sort(np.concatenate([m, ((m + np.append(m[1:], 1.0)) / 2)[k]])))
            count += len(m)
        out.append(new)
    return out


def _quadtree(domain: Domain, sizes: Sizes, boundary: Floats) -> Floats:
    """Centres of squares that are as large as the sizes there."""
    low, high = boundary.min(0), boundary.max(0)
    if domain.period:
        low[0], high[0] = 0.0, domain.period
    n = np.maximum(1, np.round((high - low) / sizes.fineness.largest).astype(int))
    width = (high - low) / n
    cells = low + (np.stack(np.meshgrid(*map(np.arange, n), indexing="ij"), -1).reshape(-1, 2) + 0.5) * width
    quarters, leaves = np.array([[-1, -1], [1, -1], [-1, 1], [1, 1]]) / 4, []
    while len(cells):
        large = sizes(cells) < 0.75 * width.max()
        leaves.append(cells[~large])
        cells = (cells[large][:, None] + quarters * width).reshape(-1, 2)
        width = width / 2
    out = np.concatenate(leaves)
    # No four points of the start may lie on a circle, or copies beyond the period might be triangulated otherwise.
    return out + np.random.default_rng(0).uniform(-0.05, 0.05, out.shape) * sizes(out)[:, None]


def _spread(inner: Floats, fixed: Floats, boundary: Boundary, sizes: Sizes, period: float) -> Floats:
    """Points inside, apart by what the sizes say."""
    for k in range(_ROUNDS):
        inner = _kept(inner, fixed, boundary, sizes, period)
        if k == _ROUNDS - 1:
            break
        points = np.concatenate([fixed, inner])
        copies, origin, _ = _copies(points, sizes.fineness.largest, period)
        tri = Delaunay(copies).simplices
        edges = np.concatenate([tri[:, [0, 1]], tri[:, [1, 2]], tri[:, [2, 0]]])
        edges = np.unique(np.sort(edges, 1), axis=0)
        edges = edges[edges[:, 0] < len(points)]
        bar = copies[edges[:, 0]] - copies[edges[:, 1]]
        length = np.linalg.norm(bar, axis=1)
        wanted = 1.15 * sizes((copies[edges[:, 0]] + copies[edges[:, 1]]) / 2)
        force = (np.maximum(wanted - length, 0) / np.maximum(length, 1e-12))[:, None] * bar
        move = np.zeros_like(points)
        np.add.at(move, origin[edges[:, 0]], force)
        both = edges[:, 1] < len(points)
        np.add.at(move, edges[both, 1], -force[both])
        inner = inner + 0.2 * move[len(fixed) :]
        if period:
            inner[:, 0] %= period
    return inner


def _kept(inner: Floats, fixed: Floats, boundary: Boundary, sizes: Sizes, period: float) -> Floats:
    """Points that are in the fluid and not too close to the boundary."""
    ends = _end(boundary, fixed, period)
    edge = np.linalg.norm(ends - fixed[boundary.start], axis=1)
    marks = np.concatenate([fixed[boundary.start], boundary.middle])
    reach = np.concatenate([edge, edge])
    shifts = (-period, 0.0, period) if period else (0.0,)
    tree = cKDTree(np.concatenate([shifted(marks, s) for s in shifts]))
    distance, nearest = tree.query(inner)
    clear = distance > 0.55 * np.maximum(reach[nearest % len(marks)], 0.8 * sizes(inner))
    inner = inner[clear]
    return inner[_inside(inner, fixed[boundary.start], ends, period)]


def _end(boundary: Boundary, fixed: Floats, period: float) -> Floats:
    """Ends of the boundary's edges, beyond the period where they leave it."""
    ends = fixed[boundary.end]
    if period:
        ends[:, 0] += period * np.round((fixed[boundary.start, 0] - ends[:, 0]) / period)
    return ends


def _inside(points: Floats, start: Floats, end: Floats, period: float) -> NDArray[np.bool_]:
    """Whether points are in the fluid: an odd number of boundary edges lies below each."""
    x, y = points[:, 0, None], points[:, 1, None]
    below = np.zeros(len(points), int)
    for shift in (-period, 0.0, period) if period else (0.0,):
        (x0, y0), (x1, y1) = shifted(start, shift).T, shifted(end, shift).T
        with np.errstate(divide="ignore", invalid="ignore"):
            height = y0 + (x - x0) * (y1 - y0) / (x1 - x0)
            below += (((x0 <= x) != (x1 <= x)) & (height < y)).sum(1)
    odd: NDArray[np.bool_] = below % 2 == 1
    return odd


def _copies(points: Floats, reach: float, period: float) -> tuple[Floats, Ints, Ints]:
    """Points, then their copies near both ends of the period; of each the point it is, and how many periods on."""
    every = np.arange(len(points))
    if not period:
        return points, every, np.zeros(len(points), np.int64)
    reach = min(6 * reach, period)
    x = points[:, 0]
    ids = [every, every[x < reach], every[x > period - reach]]
    turns = np.repeat([0, 1, -1], [len(i) for i in ids])
    origin = np.concatenate(ids)
    return points[origin] + np.stack([turns * period, 0.0 * turns], -1), origin, turns


def _mesh(points: Floats, boundary: Boundary, period: float) -> tuple[Triangulation | None, Ints]:
    """The mesh of these points, or which edges of the boundary it lacks."""
    reach = float(np.sqrt((np.ptp(points, 0)).prod() / len(points)) * 4)
    copies, origin, turns = _copies(points, reach, period)
    tri = Delaunay(copies).simplices.astype(np.int64)
    centre = copies[tri].mean(1)
    keep = _inside(centre, points[boundary.start], _end(boundary, points, period), period)
    if period:
        keep &= (centre[:, 0] >= 0) & (centre[:, 0] < period)
    tri = tri[keep]
    a, b, c = (copies[tri[:, k]] for k in range(3))
    area = (b[:, 0] - a[:, 0]) * (c[:, 1] - a[:, 1]) - (b[:, 1] - a[:, 1]) * (c[:, 0] - a[:, 0])
    tri[area < 0] = tri[area < 0][:, ::-1]
    ids = origin[tri]
    n = len(points)
    sides = np.concatenate([ids[:, [0, 1]], ids[:, [1, 2]], ids[:, [2, 0]]])
    keys, counts = np.unique(np.sort(sides, 1) @ np.array([n, 1]), return_counts=True)
    wanted = np.sort(np.stack([boundary.start, boundary.end], 1), 1) @ np.array([n, 1])
    once = keys[counts == 1]
    missing = np.flatnonzero(~np.isin(wanted, once))
    if len(missing) or len(once) != len(wanted):
        return None, missing if len(missing) else np.arange(len(wanted))
    return Triangulation(points, ids, turns[tri], boundary, period), missing
