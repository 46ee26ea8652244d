"""cf and st from OpenFOAM's fields, by the definitions in `pal_cfd.measures`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pal_cfd.foam_mesh import FoamMesh
from pal_cfd.measures import below, peak
from pal_cfd.shapes import Floats

__all__ = ["FoamNumbers", "numbers"]

_ROWS = 100


@dataclass(frozen=True)
class FoamNumbers:
    """What the fields amount to.

    Parameters
    ----------
    cf, st : float
    imbalance : float
        Heat that enters by one wall less what leaves by the other, relative to it.
    """

    cf: float
    st: float
    imbalance: float


def numbers(mesh: FoamMesh, velocity: Floats, temperature: Floats, drive: float, diffusivity: float) -> FoamNumbers:
    """Evaluate streamwise velocity and temperature in the cells, shape (cells,) both."""
    u, v = (mesh.corners[:, k] - mesh.corners[:, 0] for k in (1, 2))
    area = (u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]) / 2
    delta, bulk = area.sum() / (2 * mesh.period), (area * velocity).sum() / area.sum()
    low, high = (_heat(mesh, tag, value, temperature, diffusivity) for tag, value in (("lower", 0.0), ("upper", 1.0)))
    heights = mesh.corners[..., 1]
    edges = np.linspace(0, 2, _ROWS + 1)
    carried = np.stack([area, area * velocity, area * velocity * temperature])
    profile = np.diff([(below(heights, y) * carried[1]).sum() for y in edges])
    split = below(heights, peak((edges[1:] + edges[:-1]) / 2, profile))
    (a, flow, warm), (whole, all_flow, all_warm) = carried @ split, carried.sum(1)
    halves = (a / (warm / flow), (whole - a) / (1 - (all_warm - warm) / (all_flow - flow)))
    heat = (high - low) / 2
    st = heat * sum(halves) / mesh.period / (2 * bulk * delta)
    return FoamNumbers(float(2 * drive * delta / bulk**2), float(st), float((low + high) / max(abs(low), abs(high))))


def _heat(mesh: FoamMesh, tag: str, value: float, temperature: Floats, diffusivity: float) -> float:
    """Heat that enters by a wall, per streamwise length, as OpenFOAM's own balance has it."""
    cells, length, distance = mesh.wall_faces(tag)
    return float((diffusivity * (value - temperature[cells]) / distance * length).sum()) / mesh.period
