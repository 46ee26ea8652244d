"""Why a mask can't be labelled. NumPy only, light."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mask_problems"]


def mask_problems(mask: NDArray[Any]) -> list[str]:
    """Reasons, a sentence each: values other than 0 and 1, a blocked channel, fluid that the flow can't reach.

    Parameters
    ----------
    mask : ndarray of uint8, shape (rows, columns)
        1 in solid cells; columns are periodic. Fluid cells are connected by their sides.
    """
    if not np.isin(mask, (0, 1)).all():
        return [f"the mask holds {sorted(set(np.unique(mask).tolist()) - {0, 1})}, 0 (fluid) and 1 (solid) are wanted"]
    pieces = _pieces(mask == 0)
    through = [cells for cells, winds in pieces if winds]
    if not through:
        return ["the channel is blocked: no path of fluid cells leads along the whole period"]
    if len(through) > 1:
        return [f"the channel is divided into {len(through)} parallel passages, one is wanted"]
    pockets = [cells for cells, winds in pieces if not winds]
    return [
        f"{len(cells)} fluid cells around row {cells[0][0]}, column {cells[0][1]} are cut off from the flow"
        for cells in pockets
    ]


def _pieces(fluid: NDArray[np.bool_]) -> list[tuple[list[tuple[int, int]], bool]]:
    """Connected pieces of fluid: their cells, and whether they wind around the period.

    Each cell remembers in which copy of the period it was first reached. A piece winds around if one of its cells can
    be reached in two copies.
    """
    rows, columns = fluid.shape
    copy: dict[tuple[int, int], int] = {}
    out = []
    for start in zip(*np.nonzero(fluid), strict=True):
        first = (int(start[0]), int(start[1]))
        if first in copy:
            continue
        copy[first], cells, winds, waiting = 0, [first], False, deque([first])
        while waiting:
            i, j = waiting.popleft()
            for k, column in ((i + 1, j), (i - 1, j), (i, j + 1), (i, j - 1)):
                turn, m = divmod(column, columns)
                if not 0 <= k < rows or not fluid[k, m]:
                    continue
                reached = copy[i, j] + turn
                if (k, m) not in copy:
                    copy[k, m] = reached
                    cells.append((k, m))
                    waiting.append((k, m))
                winds |= copy[k, m] != reached
        out.append((cells, winds))
    return out
