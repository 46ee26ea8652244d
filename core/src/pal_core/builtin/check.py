"""The label check that every kind of label should pass."""

from __future__ import annotations

import numpy as np

from pal_core.kernels import Expected, Label, LabelCheck, Sample

__all__ = ["Finite"]


class Finite(LabelCheck):
    """Quarantines labels with a NaN or an infinity in any field."""

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """Name the first field with such a value, and how many there are."""
        for name, value in label.items():
            array = np.asarray(value)
            bad = array.size - np.count_nonzero(np.isfinite(array))
            if bad:
                return f"{name}: {bad} of {array.size} values are not finite"
        return None
