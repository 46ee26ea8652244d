"""Boundaries of a flow domain as parametric curves."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from pal_cfd.geometry import Geometry
from pal_cfd.shapes import Floats, Promoter, Wall

__all__ = ["Curve", "Domain", "box", "channel", "circle"]


@dataclass(frozen=True)
class Curve:
    """A piece of boundary.

    Parameters
    ----------
    tag : str
        ``"lower"``, ``"upper"``, ``"promoter"``, or the name of a side of a box.
    at : callable
        Points, shape (n, 2), for parameters in [0, 1], shape (n,).
    breaks : tuple of float
        Parameters below 1 where a point of the mesh must lie (corners); starts with 0.
    refine : bool
        Whether the mesh is to be finest here: true for promoters and corners of walls.
    """

    tag: str
    at: Callable[[Floats], Floats]
    breaks: tuple[float, ...] = (0.0,)
    refine: bool = False


@dataclass(frozen=True)
class Domain:
    """Fluid between loops of curves.

    Parameters
    ----------
    loops : sequence of sequence of Curve
        The curves of a loop join end to start. The last one ends where the first starts, or a period further on.
    period : float
        Streamwise period; 0 for a domain that isn't periodic.
    """

    loops: Sequence[Sequence[Curve]]
    period: float = 0.0


def channel(geometry: Geometry) -> Domain:
    """One period of a channel with the exact outlines of its promoters and walls."""
    walls = [(_wall("lower", geometry.lower, geometry.length),), (_wall("upper", geometry.upper, geometry.length),)]
    return Domain([*walls, *((_promoter(p),) for p in geometry.promoters)], geometry.length)


def _wall(tag: str, wall: Wall, length: float) -> Curve:
    def at(t: Floats) -> Floats:
        height = wall(t * length)
        return np.stack([t * length, height if tag == "lower" else 2 - height], -1)

    return Curve(tag, at)


def _promoter(p: Promoter) -> Curve:
    c, s = np.cos(p.angle), np.sin(p.angle)

    def placed(u: Floats, v: Floats) -> Floats:
        return np.stack([p.x + c * u - s * v, p.y + s * u + c * v], -1)

    def ellipse(t: Floats) -> Floats:
        return placed(p.a * np.cos(2 * np.pi * t), p.b * np.sin(2 * np.pi * t))

    if p.kind == "ellipse":
        return Curve("promoter", ellipse, refine=True)
    polygon = _polygon(p.corners)
    return Curve("promoter", polygon, (0.0, 0.25, 0.5, 0.75), refine=True)


def _polygon(corners: Floats) -> Callable[[Floats], Floats]:
    closed = np.concatenate([corners, corners[:1]])
    knots = np.linspace(0, 1, len(closed))
    return lambda t: np.stack([np.interp(t, knots, closed[:, 0]), np.interp(t, knots, closed[:, 1])], -1)


def circle(x: float, y: float, radius: float) -> Curve:
    """A cylinder across the flow."""
    return _promoter(Promoter("ellipse", x, y, radius, radius, 0.0))


def box(width: float, height: float) -> list[Curve]:
    """The sides ``lower``, ``outlet``, ``upper`` and ``inlet`` of a box from (0, 0), counter-clockwise."""
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height], [0, 0.0]])
    tags = ("lower", "outlet", "upper", "inlet")
    return [Curve(tag, _line(a, b)) for tag, a, b in zip(tags, corners[:-1], corners[1:], strict=True)]


def _line(start: Floats, end: Floats) -> Callable[[Floats], Floats]:
    return lambda t: start + t[:, None] * (end - start)
