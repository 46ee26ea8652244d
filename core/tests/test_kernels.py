from __future__ import annotations

import pickle

from pal_core.kernels import OracleFailure


def test_failure_of_an_oracle_comes_whole_out_of_another_process():
    failure = OracleFailure("unconverged", "no convergence in 250 cycles", "cycle 250: 0.1")
    copy = pickle.loads(pickle.dumps(failure))  # noqa: S301 - our own bytes, as process pools pass them on
    assert (copy.kind, copy.message, copy.evidence) == (failure.kind, failure.message, failure.evidence)
    assert str(copy) == "unconverged: no convergence in 250 cycles"
