"""Finds samples with values that are not finite."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pal_core.data.batch import Batch
from pal_core.data.committee import reduce_samples

__all__ = ["broken_samples"]


def broken_samples(batch: Batch) -> NDArray[np.bool_] | None:
    """Samples with a value that is NaN or infinite, shape (n,); None if there are none.

    Looks closer only where a column's sum is not finite.
    """
    names = [n for n, column in batch.columns.items() if column.dtype.kind == "f"]
    with np.errstate(invalid="ignore", over="ignore"):
        if all(np.isfinite(batch.columns[n].sum()) for n in names):
            return None
        finite = [np.isfinite(reduce_samples(batch, n, "mean")) for n in names]
    broken: NDArray[np.bool_] = ~np.logical_and.reduce(finite)
    return broken if broken.any() else None
