"""Disturbances that grow, and averages of flows that don't come to rest."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
from pal_core.kernels import Context, OracleFailure

from pal_cfd.curves import channel
from pal_cfd.elements import Elements
from pal_cfd.embedded import Embedded
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.flow import FlowProblem, steady
from pal_cfd.geometry import mask, parse
from pal_cfd.heat import HeatProblem
from pal_cfd.march import Start, blocks
from pal_cfd.mesher import triangulate
from pal_cfd.sizes import Fineness
from pal_cfd.stability import fastest

OPTIONS = {"promoters": 1, "length": 3.0, "rows": 32, "columns": 48, "fineness": 0.7, "tolerance": 0.1}
DESIGN = np.array([0.5, 1.0, 0.3, 0.3, 0.4])


def test_growth_is_that_of_a_march_in_time():
    options = EmbeddedOptions(**OPTIONS)
    e = Elements(triangulate(channel(parse(DESIGN, options)), Fineness().finer(0.7)))
    problem = FlowProblem(e, 4 / 800, e.on("lower", "upper", "promoter"), flux=2 * options.length)
    flow, heat = steady(problem), HeatProblem(e, 1.0, "temperatures")
    growth, mode = fastest(problem, flow)
    march = blocks(problem, heat, Start(flow, np.full(e.count, 0.5), 1e-5 * mode), 0.05)
    sizes = [np.abs(block.last.velocity - flow.velocity).max() for block in islice(march, 4)]
    assert growth > 0.2
    assert np.log(sizes[3] / sizes[0]) / 15 == pytest.approx(growth, abs=0.03)


def solved(**options):
    kernel = Embedded(EmbeddedOptions(**{**OPTIONS, **options}), Context("oracle"))
    return kernel.solution({"design": DESIGN, "mask": mask(DESIGN, kernel.options)})


def test_unsteady_flow_is_averaged_and_flagged():
    found, unstable = solved(reynolds=600.0), solved(reynolds=600.0, stability=False)
    assert found.unsteady
    assert found.growth > 0.05
    assert not unstable.unsteady
    # Vortices carry momentum and heat.
    assert found.cf > 1.02 * unstable.cf
    assert found.st > 1.02 * unstable.st
    assert abs(found.imbalance) < 1e-3


def test_averages_that_do_not_settle_are_unconverged():
    with pytest.raises(OracleFailure, match="no mesh gives a flow") as caught:
        solved(reynolds=600.0, longest=5.0, refinements=0)
    assert caught.value.kind == "unconverged"
    assert "averages of unsteady flow have not settled to 0.05 in a time of 5" in caught.value.evidence
