"""Fields on a regular grid: for profiles, bulk temperatures and pictures."""

from __future__ import annotations

import numpy as np

from pal_cfd.elements import Elements, quadratic
from pal_cfd.shapes import Floats

__all__ = ["Raster"]


class Raster:
    """Centres of the cells of a regular grid over one period, and the elements that they lie in.

    Parameters
    ----------
    elements : Elements
    rows, columns : int
        Cells across the channel, from y = 0 to 2, and along it.
    """

    def __init__(self, elements: Elements, rows: int = 256, columns: int = 256) -> None:
        self.shape, self.length = (rows, columns), elements.mesh.period
        self.x = (np.arange(columns) + 0.5) * self.length / columns
        self.y = (np.arange(rows) + 0.5) * 2 / rows
        corners = elements.mesh.corners
        low = np.floor(corners.min(1) / (self.x[0] * 2, self.y[0] * 2)).astype(int)
        high = np.ceil(corners.max(1) / (self.x[0] * 2, self.y[0] * 2)).astype(int)
        span = np.maximum(high - low, 1)
        cells = span.prod(1)
        element = np.repeat(np.arange(len(cells)), cells)
        k = np.arange(len(element)) - np.repeat(np.cumsum(cells) - cells, cells)
        i, j = low[element, 1] + k // span[element, 0], low[element, 0] + k % span[element, 0]
        points = np.stack([(j + 0.5) * self.length / columns, (i + 0.5) * 2 / rows], 1)
        a, b, c = (corners[element, n] for n in range(3))
        u, v, w = b - a, c - a, points - a
        size = u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]
        s, t = (w[:, 0] * v[:, 1] - w[:, 1] * v[:, 0]) / size, (u[:, 0] * w[:, 1] - u[:, 1] * w[:, 0]) / size
        inside = (s >= 0) & (t >= 0) & (s + t <= 1) & (i >= 0) & (i < rows)
        self._cell = i[inside] * columns + j[inside] % columns
        self._value = quadratic(np.stack([s, t], 1)[inside])
        self._nodes = elements.nodes[element[inside]]

    def __call__(self, field: Floats, outside: float = 0.0) -> Floats:
        """A quadratic field, shape (n,), on the grid, shape (rows, columns); `outside` where there is no fluid."""
        out = np.full(self.shape[0] * self.shape[1], outside)
        out[self._cell] = (self._value * field[self._nodes]).sum(1)
        return out.reshape(self.shape)
