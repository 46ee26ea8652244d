"""From the numbers of a design to promoters, walls and a mask, and why a design can't be. NumPy only, light.

>>> from pal_cfd.channel_options import ChannelOptions
>>> options = ChannelOptions(promoters=1)
>>> layout(options)
('x 0', 'y 0', 'half length 0', 'half width 0', 'angle 0')
>>> mask(np.array([2.0, 1.0, 0.3, 0.2, 0.0]), options).mean()
np.float64(0.0234375)
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.shapes import Floats, Promoter, Wall

__all__ = ["Geometry", "bounds", "centres", "layout", "mask", "parse", "periodic", "problems"]


@dataclass(frozen=True)
class Geometry:
    """One period of a channel: promoters between walls that rise from y = 0 and hang from y = 2."""

    length: float
    promoters: tuple[Promoter, ...] = ()
    lower: Wall = field(default_factory=Wall)
    upper: Wall = field(default_factory=Wall)

    @property
    def delta(self) -> float:
        """Effective half height: of the channel with all solid spread evenly over its walls."""
        solid = self.lower.area + self.upper.area + sum(p.area for p in self.promoters)
        return (2 - solid / self.length) / 2

    def images(self) -> list[Promoter]:
        """The promoters and their copies one period up- and downstream."""
        shifts = (-self.length, 0.0, self.length)
        return [Promoter(p.kind, p.x + s, p.y, p.a, p.b, p.angle) for p in self.promoters for s in shifts]

    def solid(self, points: Floats) -> NDArray[np.bool_]:
        """Which of `points`, shape (n, 2) with x within one period, are solid."""
        x, y = points[:, 0], points[:, 1]
        out: NDArray[np.bool_] = (y < self.lower(x)) | (y > 2 - self.upper(x))
        for promoter in self.images():
            out |= promoter.contains(points)
        return out


def layout(options: ChannelOptions) -> tuple[str, ...]:
    """What each number of a design is."""
    names = [
        f"{what} {i}" for i in range(options.promoters) for what in ("x", "y", "half length", "half width", "angle")
    ]
    return (*names, *(f"{wall} wall {k}" for wall in ("lower", "upper") for k in range(options.wall_points)))


def periodic(options: ChannelOptions) -> Floats:
    """Period of each number of a design, 0 where there is none, shape (parameters,).

    The x of a promoter has the channel's length; its angle has π, since both shapes look the same after half a turn.
    """
    return np.array([options.length, 0, 0, 0, np.pi] * options.promoters + [0.0] * 2 * options.wall_points)


def bounds(options: ChannelOptions) -> tuple[Floats, Floats]:
    """Least and greatest value of each number, both of shape (parameters,).

    Not every design between them can be: see `problems`.
    """
    o, margin = options, options.smallest + options.gap
    low = [0.0, margin, o.smallest, o.smallest, 0.0] * o.promoters + [0.0] * 2 * o.wall_points
    high = [o.length, 2 - margin, o.largest, o.largest, np.pi] * o.promoters + [o.wall_height] * 2 * o.wall_points
    return np.array(low), np.array(high)


def parse(design: Floats, options: ChannelOptions) -> Geometry:
    """The promoters and walls of a design, shape (parameters,); promoters are moved into the period by whole ones."""
    rows = np.asarray(design, np.float64)[: 5 * options.promoters].reshape(-1, 5)
    walls = np.asarray(design, np.float64)[5 * options.promoters :].reshape(2, -1)
    promoters = (Promoter(options.shape, float(r[0] % options.length), *map(float, r[1:])) for r in rows)
    return Geometry(options.length, tuple(promoters), *(Wall(options.length, heights) for heights in walls))


def centres(options: ChannelOptions) -> Floats:
    """Centres of the mask's cells, shape (rows * columns, 2)."""
    x = (np.arange(options.columns) + 0.5) * options.length / options.columns
    y = (np.arange(options.rows) + 0.5) * 2 / options.rows
    return np.stack([np.tile(x, options.rows), np.repeat(y, options.columns)], -1)


def mask(design: Floats, options: ChannelOptions) -> NDArray[np.uint8]:
    """1 in every cell whose centre is solid, shape (rows, columns)."""
    solid = parse(design, options).solid(centres(options))
    return solid.reshape(options.rows, options.columns).astype(np.uint8)


def problems(design: Floats, options: ChannelOptions) -> list[str]:
    """Why a design can't be labelled, a sentence each; none for a good one."""
    design = np.asarray(design, np.float64)
    if design.shape != (options.parameters,):
        return [f"the design has the shape {design.shape}, ({options.parameters},) is wanted"]
    if not np.isfinite(design).all():
        return [f"the design holds numbers that are not finite: {design.tolist()}"]
    out = _out_of_bounds(design, options)
    return out or _too_close(parse(design, options), options.gap)


def _out_of_bounds(design: Floats, options: ChannelOptions) -> list[str]:
    (low, high), free = bounds(options), periodic(options) > 0
    bad = np.flatnonzero(~free & ((design < low - 1e-9) | (design > high + 1e-9)))
    names = layout(options)
    return [f"{names[i]} is {design[i]:.6g}, {low[i]:.6g} to {high[i]:.6g} is wanted" for i in bad]


def _too_close(geometry: Geometry, gap: float) -> list[str]:
    """Promoters that overlap or nearly touch a wall, each other, or themselves a period on; walls that meet."""
    x = np.linspace(0, geometry.length, 512, endpoint=False)
    low, high = geometry.lower(x), 2 - geometry.upper(x)
    out = []
    if (high - low).min() < gap:
        out.append(f"the walls come within {(high - low).min():.3g} of each other, gap = {gap:g} is wanted")
    outlines = [p.outline(gap / 4) for p in geometry.promoters]
    for i, outline in enumerate(outlines):
        for name, wall, side in (("lower", low, 1), ("upper", high, -1)):
            clearance = _clearance(outline, np.stack([x, wall], -1), geometry.length)
            height = np.interp(outline[:, 0] % geometry.length, x, wall, period=geometry.length)
            if (side * (outline[:, 1] - height)).min() < 0:
                out.append(f"promoter {i} overlaps the {name} wall")
            elif clearance < gap * (1 - 1e-6):
                out.append(f"promoter {i} is {clearance:.3g} from the {name} wall, gap = {gap:g} is wanted")
    for i, promoter in enumerate(geometry.promoters):
        moved = outlines[i] + (geometry.length, 0)
        if promoter.contains(moved).any() or np.ptp(outlines[i][:, 0]) > geometry.length - gap:
            out.append(f"promoter {i} is too long for the period of {geometry.length:g}")
    for i, j in combinations(range(len(outlines)), 2):
        if _overlap(geometry, i, j):
            out.append(f"promoters {i} and {j} overlap")
        elif (d := _clearance(outlines[i], outlines[j], geometry.length)) < gap * (1 - 1e-6):
            out.append(f"promoters {i} and {j} are {d:.3g} apart, gap = {gap:g} is wanted")
    return out


def _clearance(a: Floats, b: Floats, length: float) -> float:
    """Least distance of two sets of points along the periodic channel."""
    d = a[:, None, :] - b
    d[..., 0] -= length * np.round(d[..., 0] / length)
    return float(np.sqrt((d * d).sum(-1).min()))


def _overlap(geometry: Geometry, i: int, j: int) -> bool:
    a, b = geometry.promoters[i], geometry.promoters[j]
    for shift in (-geometry.length, 0.0, geometry.length):
        moved = Promoter(b.kind, b.x + shift, b.y, b.a, b.b, b.angle)
        points = np.concatenate([moved.outline(0.02), [[moved.x, moved.y]]])
        if a.contains(points).any() or moved.contains(np.concatenate([a.outline(0.02), [[a.x, a.y]]])).any():
            return True
    return False
