"""Promoters and walls as curves. NumPy only.

Lengths are in half heights, angles in rad. Promoters are periodic along the channel: any x is allowed.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from pal_cfd.channel_options import ShapeKind

__all__ = ["Floats", "Promoter", "Wall", "shifted"]

Floats = NDArray[np.float64]
_FINE = 4096


def shifted(points: Floats, by: float) -> Floats:
    """Points, shape (n, 2), moved downstream."""
    out: Floats = points + np.array([by, 0.0])
    return out


@dataclass(frozen=True)
class Promoter:
    """An ellipse or a rectangle.

    Parameters
    ----------
    kind : {"ellipse", "rectangle"}
    x, y : float
        Centre; y is 0 at the lower wall of the empty channel and 2 at the upper one.
    a, b : float
        Half length and half width.
    angle : float
        From the streamwise direction to the half length, counter-clockwise [rad].
    """

    kind: ShapeKind
    x: float
    y: float
    a: float
    b: float
    angle: float

    @property
    def area(self) -> float:
        """Area [half heights²]."""
        return (np.pi if self.kind == "ellipse" else 4.0) * self.a * self.b

    @property
    def corners(self) -> Floats:
        """Corners of a rectangle, shape (4, 2), counter-clockwise; none for an ellipse, shape (0, 2)."""
        if self.kind == "ellipse":
            return np.empty((0, 2))
        return self._placed(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.a, self.b))

    def contains(self, points: Floats) -> NDArray[np.bool_]:
        """Which of `points`, shape (n, 2), are inside; no periodicity."""
        p = np.abs(self._own(points)) / (self.a, self.b)
        inside: NDArray[np.bool_] = (p * p).sum(-1) < 1 if self.kind == "ellipse" else p.max(-1) < 1
        return inside

    def outline(self, spacing: float) -> Floats:
        """Points on the boundary about `spacing` apart, counter-clockwise, corners included, shape (n, 2)."""
        if self.kind == "rectangle":
            return self._placed(_polygon(np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * (self.a, self.b), spacing))
        t = np.linspace(0, 2 * np.pi, _FINE + 1)
        fine = np.stack([self.a * np.cos(t), self.b * np.sin(t)], -1)
        s = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(fine, axis=0), axis=1))])
        n = max(12, int(np.ceil(s[-1] / spacing)))
        at = np.interp(np.arange(n) * s[-1] / n, s, t)
        return self._placed(np.stack([self.a * np.cos(at), self.b * np.sin(at)], -1))

    def project(self, points: Floats) -> Floats:
        """Points near the boundary moved onto it, along the ray from the centre, shape (n, 2).

        Exact to second order in their distance; what halves the edges of a mesh needs no more.
        """
        p = self._own(points)
        q = np.abs(p) / (self.a, self.b)
        r = np.sqrt((q * q).sum(-1)) if self.kind == "ellipse" else q.max(-1)
        return self._placed(p / r[:, None])

    def _own(self, points: Floats) -> Floats:
        c, s = np.cos(self.angle), np.sin(self.angle)
        d = np.asarray(points, np.float64) - (self.x, self.y)
        return np.stack([c * d[..., 0] + s * d[..., 1], c * d[..., 1] - s * d[..., 0]], -1)

    def _placed(self, own: Floats) -> Floats:
        c, s = np.cos(self.angle), np.sin(self.angle)
        out: Floats = own @ np.array([[c, s], [-s, c]]) + (self.x, self.y)
        return out


@dataclass(frozen=True)
class Wall:
    """Height over the flat wall along one period: a periodic cubic Bezier curve in pieces.

    The pieces join with two continuous derivatives (a uniform B-spline): control heights, evenly spaced from x = 0,
    pull the curve, and it stays between the lowest and the highest of them. No control heights: flat.

    Parameters
    ----------
    length : float
        Period.
    heights : ndarray, shape (m,)
    """

    length: float = 1.0
    heights: Floats = field(default_factory=lambda: np.empty(0))

    def __call__(self, x: Floats) -> Floats:
        """Height over the flat wall at `x`, of any shape."""
        m = len(self.heights)
        if m == 0:
            return np.zeros(np.shape(x))
        u = np.asarray(x, np.float64) * m / self.length
        k = np.floor(u).astype(int)
        t = u - k
        weights = ((1 - t) ** 3, 4 - 6 * t**2 + 3 * t**3, 1 + 3 * t + 3 * t**2 - 3 * t**3, t**3)
        out: Floats = sum((w * self.heights[(k + i - 1) % m] for i, w in enumerate(weights)), np.zeros(np.shape(x))) / 6
        return out

    @property
    def area(self) -> float:
        """Area under one period [half heights²]."""
        return self.length * float(self.heights.mean()) if len(self.heights) else 0.0


def _polygon(corners: Floats, spacing: float) -> Floats:
    """Points along a closed polygon, its corners included."""
    out = []
    for start, end in zip(corners, np.roll(corners, -1, 0), strict=True):
        n = max(2, int(np.ceil(np.linalg.norm(end - start) / spacing)))
        out.append(start + np.arange(n)[:, None] / n * (end - start))
    return np.concatenate(out)
