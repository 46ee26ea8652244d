"""Drag coefficient and Stanton number of a channel.

Definitions (lengths in half heights of the empty channel, density and heat capacity 1):

- effective half height δ: of the channel with all solid spread evenly over its walls, fluid area / (2 length);
- bulk velocity u_b = flow per width / (2 δ), hydraulic diameter D_h = 4 δ, Re_Dh = u_b D_h / ν. With the flow per width
  Q, Re_Dh = 2 Q / ν: a fixed mass flux fixes it, whatever the geometry;
- τ_w = -dp/dx δ, the force on all solid per wall area, Cf = 2 τ_w / u_b²;
- q: heat through a wall per streamwise length.

Walls at two temperatures, 0 and 1: the channel is split where the streamwise velocity, averaged along the channel, is
greatest. Each half has its effective height (fluid area / length) and bulk temperature θ_b (weighted by the velocity;
1 - θ in the upper half). Nu = 4 height q / (κ θ_b) for each half, and Nu is their mean. St = Nu / (Re_Dh Pr).

Constant heat flux q into both walls: Nu = D_h q / (κ (θ_w - θ_b)) with the mean temperature of the walls and the bulk
temperature of the whole flow.

Limits for a flat channel of half height δ, with η = y / δ from the lower wall:

u = (3/2) u_b η (2 - η), whose slope at the wall is 3 u_b / δ, so τ_w = 3 ν u_b / δ and Cf = 6 ν / (u_b δ) =
**24 / Re_Dh**. Between walls at two temperatures nothing convects: θ = η / 2, q = κ / (2 δ), and θ_b of the lower half
is ∫ η² (2 - η) / 2 / ∫ η (2 - η) over 0 to 1 = (5/24) / (2/3) = 5/16. Nu = 4 δ q / (κ θ_b) = 2 · 16/5 = 6.4 in both
halves: **St = 6.4 / (Re_Dh Pr)**.

With constant heat flux, κ θ'' = u dθ_b/dx = (q / δ) (u / u_b) with z = (y - δ) / δ: u / u_b = (3/2) (1 - z²), so
θ = (q δ / κ) (3 z²/4 - z⁴/8 - 5/8) + θ_w. The bulk of it is ∫ (3/2) (1 - z²) (3 z²/4 - z⁴/8 - 5/8) over 0 to 1, -17/35.
Nu = 4 · 35/17 = 140/17: **St = (140/17) / (Re_Dh Pr)**.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pal_cfd.elements import Elements
from pal_cfd.raster import Raster
from pal_cfd.shapes import Floats

__all__ = ["FLUX_NUSSELT", "FRICTION", "TEMPERATURES_NUSSELT", "Means", "below", "drag", "peak", "stanton"]

FRICTION, TEMPERATURES_NUSSELT, FLUX_NUSSELT = 24.0, 6.4, 140 / 17
"""Cf Re_Dh, and St Re_Dh Pr for either heating, of flat channels."""


@dataclass(frozen=True)
class Means:
    """What the numbers are made of; averages over time for unsteady flow.

    Parameters
    ----------
    drive : float
        -dp/dx of the mean pressure.
    velocity : ndarray, shape (nodes,)
        Streamwise.
    temperature : ndarray, shape (nodes,)
    carried : ndarray, shape (nodes,)
        Product of the two.
    heat : float
        Through one wall, per streamwise length.
    """

    drive: float
    velocity: Floats
    temperature: Floats
    carried: Floats
    heat: float


def drag(means: Means, elements: Elements) -> float:
    """Cf, by the fluid's area and the flux of the velocity."""
    delta = elements.integral(1.0) / (2 * elements.mesh.period)
    bulk = elements.integral(elements.at_points(means.velocity)) / elements.integral(1.0)
    return 2 * means.drive * delta / bulk**2


def stanton(means: Means, elements: Elements, heating: str) -> float:
    """St; needs neither Re_Dh nor Pr: Nu / (Re_Dh Pr) = Nu κ / (u_b D_h)."""
    bulk = elements.integral(elements.at_points(means.velocity)) / elements.integral(1.0)
    if heating == "flux":
        return means.heat / (bulk * _excess(means, elements))
    delta = elements.integral(1.0) / (2 * elements.mesh.period)
    (low, theta_low), (high, theta_high) = _halves(means, elements)
    return means.heat * (low / theta_low + high / theta_high) / (2 * bulk * delta)


def _excess(means: Means, elements: Elements) -> float:
    """Mean temperature of the walls above that of the bulk; both walls count alike."""
    walls = [elements.along(tag) for tag in ("lower", "upper")]
    wall = float(np.mean([w @ means.temperature / w.sum() for w in walls]))
    flow = elements.integral(elements.at_points(means.velocity))
    return wall - elements.integral(elements.at_points(means.carried)) / flow


def _halves(means: Means, elements: Elements) -> tuple[tuple[float, float], tuple[float, float]]:
    """Effective height and bulk temperature (1 - θ in the upper half) on both sides of the greatest velocity."""
    raster = Raster(elements)
    velocity, carried = raster(means.velocity).mean(1), raster(means.carried).mean(1)
    split = peak(raster.y, velocity)
    total = elements.integral(1.0) / elements.mesh.period
    low = float((below(elements.mesh.corners[..., 1], split) * elements.weight.sum(1)).sum()) / elements.mesh.period
    flow, heat = _below(raster.y, velocity, split), _below(raster.y, carried, split)
    all_flow, all_heat = (float(np.mean(f) * 2) for f in (velocity, carried))
    above = (all_flow - flow) - (all_heat - heat)
    return (low, heat / flow), (total - low, above / (all_flow - flow))


def peak(y: Floats, profile: Floats) -> float:
    """Where a profile is greatest, by the parabola through the three greatest neighbours."""
    k = int(np.clip(np.argmax(profile), 1, len(y) - 2))
    a, b, c = profile[k - 1 : k + 2]
    return float(y[k] + (y[1] - y[0]) * (a - c) / (2 * (a - 2 * b + c)))


def _below(y: Floats, profile: Floats, at: float) -> float:
    """Integral of a profile, given at the centres of equal cells, from the lower wall."""
    step = y[1] - y[0]
    edges = np.concatenate([[0.0], y + step / 2])
    return float(np.interp(at, edges, np.concatenate([[0.0], np.cumsum(profile) * step])))


def below(heights: Floats, at: float) -> Floats:
    """Part of each triangle below a height, by the heights of its corners, shape (n, 3)."""
    a, b, c = np.sort(heights, 1).T
    first = (at - a) ** 2 / np.maximum((c - a) * (b - a), 1e-300)
    last = 1 - (c - at) ** 2 / np.maximum((c - a) * (c - b), 1e-300)
    return np.asarray(np.where(at <= a, 0.0, np.where(at >= c, 1.0, np.where(at < b, first, last))))
