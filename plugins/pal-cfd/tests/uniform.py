"""A generator of gest-api, as a user would bring one."""

from __future__ import annotations

import numpy as np
from gest_api import Generator


class Uniform(Generator):
    """Uniformly distributed points, of a seed."""

    def __init__(self, vocs, seed):
        super().__init__(vocs)
        self.vocs, self.rng = vocs, np.random.default_rng(seed)

    def _validate_vocs(self, vocs):
        if vocs.bounds is None:
            raise ValueError("bounds are wanted")

    def suggest(self, num_points=None):
        low, high = np.array(self.vocs.bounds).T
        rows = self.rng.uniform(low, high, (num_points, len(low))).tolist()
        return [dict(zip(self.vocs.variable_names, row, strict=True)) for row in rows]
