"""An oracle that takes as long, and fails as often, as it is told."""

from __future__ import annotations

import time

import numpy as np

from pal_core.builtin.hashing import sample_uniform
from pal_core.builtin.options import ToyOracleOptions
from pal_core.builtin.surface import muller_brown
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample

__all__ = ["ToyOracle"]

_FAILURE_SALT = 1


class ToyOracle(Oracle):
    """Energy and gradient of the Müller-Brown surface."""

    Options = ToyOracleOptions

    def __init__(self, options: ToyOracleOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ToyOracleOptions = options

    def label(self, sample: Sample) -> Label:
        """Compute energy () and gradient (2,) at the point `x`.

        Raises
        ------
        OracleFailure
            ``invalid_input`` for a point that is not finite, ``unconverged`` for the share of points that the
            option `fail_share` asks for: always the same points.
        """
        self.inspect(sample)
        x = np.array(sample["x"], np.float64).reshape(1, 2)
        time.sleep(self.options.delay)
        if sample_uniform(x, _FAILURE_SALT)[0] < self.options.fail_share:
            share = f"fail_share = {self.options.fail_share:g}"
            raise OracleFailure("unconverged", f"failed on purpose at {x[0].tolist()} ({share})", share)
        energy, gradient = muller_brown(x)
        return {"energy": np.array(energy[0]), "gradient": gradient[0]}

    def inspect(self, sample: Sample) -> None:
        """Refuse a point that is not finite."""
        x = np.asarray(sample["x"])
        if not np.isfinite(x).all():
            raise OracleFailure("invalid_input", f"the point x = {x.tolist()} is not finite")
