"""Quadratic and linear elements on a triangulation: Taylor and Hood's for flow, the quadratic one for temperature.

Elements have six nodes, the sides' middle ones on the boundary's curves. Products of two quadratic functions and one
gradient are integrated exactly on straight triangles (7 points, degree 5: Strang and Fix, 1973).
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from scipy.sparse import csr_matrix

from pal_cfd.mesher import Ints, MeshError, Triangulation
from pal_cfd.shapes import Floats

__all__ = ["Elements"]

_A, _B = (6 - np.sqrt(15)) / 21, (6 + np.sqrt(15)) / 21
_POINTS = np.array(
    [[1 / 3, 1 / 3], [_A, _A], [1 - 2 * _A, _A], [_A, 1 - 2 * _A], [_B, _B], [1 - 2 * _B, _B], [_B, 1 - 2 * _B]]
)
_WEIGHTS = np.array([9 / 80, *[(155 - np.sqrt(15)) / 2400] * 3, *[(155 + np.sqrt(15)) / 2400] * 3])
_GAUSS = 0.5 + np.sqrt(0.15) * np.array([-1, 0, 1])
_GAUSS_WEIGHTS = np.array([5, 8, 5]) / 18


def linear(points: Floats) -> Floats:
    """Barycentric coordinates, shape (n, 3)."""
    return np.stack([1 - points.sum(1), points[:, 0], points[:, 1]], 1)


def quadratic(points: Floats) -> Floats:
    """Values of the six quadratic functions (corners, then sides 01, 12, 20), shape (n, 6)."""
    c = linear(points)
    return np.concatenate([c * (2 * c - 1), 4 * c * np.roll(c, -1, 1)], 1)


def quadratic_gradient(points: Floats) -> Floats:
    """Their derivatives by the reference coordinates, shape (n, 6, 2)."""
    c, g = linear(points), np.array([[-1, -1], [1, 0], [0, 1.0]])
    corners = (4 * c - 1)[..., None] * g
    sides = 4 * (c[..., None] * np.roll(g, -1, 0) + np.roll(c, -1, 1)[..., None] * g)
    return np.concatenate([corners, sides], 1)


def _sums(nodes: Ints, values: Floats, count: int) -> Floats:
    """Values added up by the node that they belong to, shape (count,)."""
    return np.bincount(nodes.ravel(), values.ravel(), count).astype(np.float64)


class Elements:
    """Tables of values and gradients, and the matrices made of them.

    Attributes
    ----------
    nodes : ndarray of int64, shape (m, 6)
        Nodes of each element; the first `vertices` nodes are the mesh's vertices.
    places : ndarray, shape (n, 2)
        Where the nodes are.
    gradient : ndarray, shape (m, 7, 6, 2)
        Of the quadratic functions at the points of integration.
    weight : ndarray, shape (m, 7)
        Area that each point of integration stands for.
    """

    def __init__(self, mesh: Triangulation) -> None:
        self.mesh, self.vertices = mesh, len(mesh.vertices)
        sides = np.stack([mesh.triangles, np.roll(mesh.triangles, -1, 1)], -1).reshape(-1, 2)
        turn = (np.roll(mesh.copy, -1, 1) - mesh.copy).reshape(-1)
        turn = np.where(sides[:, 0] < sides[:, 1], turn, -turn)
        keys = np.column_stack([np.sort(sides, 1), turn])
        self._edges, which = np.unique(keys, axis=0, return_inverse=True)
        self.nodes = np.concatenate([mesh.triangles, self.vertices + which.reshape(-1, 3)], 1)
        self.count = self.vertices + len(self._edges)
        shape = self._shape()
        jacobian = np.einsum("qid,mic->mqdc", quadratic_gradient(_POINTS), shape)
        size = jacobian[..., 0, 0] * jacobian[..., 1, 1] - jacobian[..., 0, 1] * jacobian[..., 1, 0]
        if size.min() <= 0:
            raise MeshError("an element on the boundary is folded by the boundary's curvature")
        self.weight = size * _WEIGHTS
        self.gradient = np.einsum("mqcd,qid->mqic", np.linalg.inv(jacobian), quadratic_gradient(_POINTS))
        self.value, self.linear = quadratic(_POINTS), linear(_POINTS)

    def _shape(self) -> Floats:
        """Places of each element's nodes, beyond the period where the element leaves it, shape (m, 6, 2)."""
        corners, boundary, period = self.mesh.corners, self.mesh.boundary, self.mesh.period
        shape = np.concatenate([corners, (corners + np.roll(corners, -1, 1)) / 2], 1)
        curved = np.full((self.count, 2), np.nan)
        curved[self._boundary_middles] = boundary.middle
        found = curved[self.nodes[:, 3:]]
        if period:
            found[..., 0] += period * np.round((shape[:, 3:, 0] - found[..., 0]) / period)
        shape[:, 3:] = np.where(np.isnan(found), shape[:, 3:], found)
        self.places = np.empty((self.count, 2))
        self.places[self.nodes] = shape
        self.shape = shape
        return shape

    @cached_property
    def _boundary_middles(self) -> Ints:
        """Node in the middle of each boundary edge."""
        n, b = self.vertices, self.mesh.boundary
        mine = np.sort(np.stack([b.start, b.end], 1), 1) @ np.array([n, 1])
        keys = self._edges[:, :2] @ np.array([n, 1])
        order = np.argsort(keys, kind="stable")
        out: Ints = n + order[np.searchsorted(keys, mine, sorter=order)]
        return out

    def on(self, *tags: str) -> Ints:
        """Nodes on the boundaries of these tags."""
        b = self.mesh.boundary
        pick = np.isin(b.tag, tags)
        return np.unique(np.concatenate([b.start[pick], b.end[pick], self._boundary_middles[pick]]))

    def along(self, *tags: str) -> Floats:
        """Integral of each quadratic function along the boundaries of these tags, shape (n,)."""
        b, period = self.mesh.boundary, self.mesh.period
        pick = np.isin(b.tag, tags)
        x = np.stack([self.mesh.vertices[b.start[pick]], self.mesh.vertices[b.end[pick]], b.middle[pick]], 1)
        if period:
            x[..., 0] += period * np.round((x[:, :1, 0] - x[..., 0]) / period)
        t = _GAUSS
        value = np.stack([(1 - t) * (1 - 2 * t), t * (2 * t - 1), 4 * t * (1 - t)], 1)
        slope = np.stack([4 * t - 3, 4 * t - 1, 4 - 8 * t], 1)
        length = np.linalg.norm(np.einsum("qi,eic->eqc", slope, x), axis=2) * _GAUSS_WEIGHTS
        nodes = np.stack([b.start[pick], b.end[pick], self._boundary_middles[pick]], 1)
        return _sums(nodes, (length @ value), self.count)

    def at_points(self, field: Floats) -> Floats:
        """A quadratic field, shape (n, ...), at the points of integration, shape (m, 7, ...)."""
        out: Floats = np.matmul(self.value, field.reshape(self.count, -1)[self.nodes])
        return np.reshape(out, (*out.shape[:2], *field.shape[1:]))

    def slope(self, field: Floats) -> Floats:
        """Gradient of a field, shape (n, k), there, shape (m, 7, k, 2)."""
        flat: Floats = np.matmul(self._slopes, field[self.nodes])
        out: Floats = np.reshape(flat, (len(self.nodes), -1, 2, field.shape[1])).transpose(0, 1, 3, 2)
        return out

    @cached_property
    def _slopes(self) -> Floats:
        """The gradients as matrices for `slope`, shape (m, 14, 6)."""
        out: Floats = self.gradient.transpose(0, 1, 3, 2).reshape(len(self.nodes), -1, 6)
        return out

    def load(self, values: Floats) -> Floats:
        """Integral of `values`, shape (m, 7), with each quadratic function, shape (n,)."""
        return _sums(self.nodes, ((self.weight * values) @ self.value), self.count)

    def gradient_load(self, values: Floats) -> Floats:
        """Integral of `values`, shape (m, 7, 2), with each function's gradient, shape (n,)."""
        flat = (values * self.weight[..., None]).reshape(len(self.nodes), 1, -1)
        return _sums(self.nodes, np.matmul(flat, self._slopes), self.count)

    def integral(self, values: Floats | float) -> float:
        """Integral of `values`, shape (m, 7)."""
        return float((self.weight * values).sum())

    def matrix(self, blocks: Floats) -> csr_matrix:
        """Sparse matrix of element matrices, shape (m, 6, 6)."""
        rows, columns = np.repeat(self.nodes, 6, 1).ravel(), np.tile(self.nodes, (1, 6)).ravel()
        return csr_matrix((blocks.ravel(), (rows, columns)), shape=(self.count, self.count))

    def mass(self, factor: Floats | float = 1.0) -> csr_matrix:
        """Products of functions, weighted by `factor`, shape (m, 7)."""
        w = self.weight * factor
        return self.matrix(np.matmul((w[:, None, :] * self.value.T), self.value))

    @cached_property
    def stiffness(self) -> csr_matrix:
        """Products of gradients."""
        g = self.gradient.transpose(0, 2, 1, 3).reshape(len(self.nodes), 6, -1)
        w = np.repeat(self.weight, 2, 1)
        return self.matrix(np.matmul(g * w[:, None, :], g.transpose(0, 2, 1)))

    def convection(self, velocity: Floats) -> csr_matrix:
        """Functions times derivatives along `velocity`, shape (m, 7, 2)."""
        along = np.matmul(self.gradient, velocity[..., None])[..., 0]
        return self.matrix(np.matmul(self.value.T, self.weight[..., None] * along))

    @cached_property
    def divergence(self) -> tuple[csr_matrix, csr_matrix]:
        """Linear functions times the derivative of quadratic ones by x and by y, shape (vertices, n) each."""
        rows, columns = np.repeat(self.nodes[:, :3], 6, 1).ravel(), np.tile(self.nodes, (1, 3)).ravel()
        weighted = self.weight[..., None] * self.linear
        blocks = np.matmul(weighted.transpose(0, 2, 1)[:, None], self.gradient.transpose(0, 3, 1, 2))
        size = (self.vertices, self.count)
        made = [csr_matrix((blocks[:, d].ravel(), (rows, columns)), shape=size) for d in (0, 1)]
        return made[0], made[1]
