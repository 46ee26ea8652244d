"""Disturbances that grow, and averages of flows that don't come to rest."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import Context, OracleFailure

from pal_cfd.embedded import Embedded
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.geometry import mask

OPTIONS = {"promoters": 1, "length": 3.0, "rows": 32, "columns": 48, "fineness": 0.7, "tolerance": 0.1}
DESIGN = np.array([0.5, 1.0, 0.3, 0.3, 0.4])


def solved(**options):
    kernel = Embedded(EmbeddedOptions(**{**OPTIONS, **options}), Context("oracle"))
    return kernel.solution({"design": DESIGN, "mask": mask(DESIGN, kernel.options)})


def test_averages_that_do_not_settle_are_unconverged():
    with pytest.raises(OracleFailure, match="no mesh gives a flow") as caught:
        solved(reynolds=600.0, longest=5.0, refinements=0)
    assert caught.value.kind == "unconverged"
    assert "averages of unsteady flow have not settled to 0.05 in a time of 5" in caught.value.evidence
