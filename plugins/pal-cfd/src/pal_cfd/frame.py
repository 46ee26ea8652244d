"""One position and one side up for every channel that is the same but for a shift or a flip.

Labels don't depend on where the period starts or which wall is called the lower one; solved in one frame, they don't
even by the errors of the mesh.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pal_cfd.curves import Curve, Domain
from pal_cfd.shapes import Floats, shifted
from pal_cfd.sizes import dense

__all__ = ["framed", "framed_mask"]

_HARMONICS = 8
_FAINT = 1e-6
_SWAPPED = {"lower": "upper", "upper": "lower"}
# Symmetric shapes lie half a cell off the columns; no rounding may decide where those end up.
_OFF = 0.3


def _phase(x: Floats, weight: Floats) -> float:
    """Position of a periodic distribution, x in periods from 0 to 1, by its first harmonic that isn't faint."""
    for k in range(1, _HARMONICS + 1):
        z = (weight * np.exp(2j * np.pi * k * x)).sum()
        if abs(z) > _FAINT * weight.sum():
            return float(np.angle(z) / (2 * np.pi * k))
    return 0.0


def framed(domain: Domain) -> Domain:
    """A periodic channel of height 2, shifted and flipped into its frame."""
    points = [dense(curve)[1] for loop in domain.loops for curve in loop]
    middle = np.concatenate([(p[1:] + p[:-1]) / 2 for p in points])
    rise = np.abs(np.concatenate([np.diff(p[:, 1]) for p in points]))
    shift = domain.period * _phase(middle[:, 0] / domain.period, rise) if rise.sum() > _FAINT else 0.0
    flip = float((rise * (middle[:, 1] - 1)).sum()) > _FAINT * rise.sum()
    return Domain([[_moved(c, shift, flip) for c in loop] for loop in domain.loops], domain.period)


def _moved(curve: Curve, shift: float, flip: bool) -> Curve:
    def at(t: Floats) -> Floats:
        p = shifted(curve.at(t), -shift)
        return np.stack([p[:, 0], 2 - p[:, 1]], 1) if flip else p

    return Curve(_SWAPPED.get(curve.tag, curve.tag) if flip else curve.tag, at, curve.breaks, curve.refine)


def framed_mask(mask: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A mask, shape (rows, columns), rolled by whole columns and flipped into its frame."""
    rows, columns = mask.shape
    shift = columns * _phase(np.arange(columns) / columns, mask.sum(0).astype(float)) if mask.any() else 0.0
    height = int((mask * (2 * np.arange(rows)[:, None] + 1 - rows)).sum())
    out: NDArray[np.uint8] = np.roll(mask, -round(shift + _OFF), 1)
    return out[::-1] if height > 0 else out
