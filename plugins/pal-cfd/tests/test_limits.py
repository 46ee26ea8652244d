"""Flat channels against the analytic limits (derived in `pal_cfd.measures`)."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import Context

from pal_cfd.embedded import Embedded
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.geometry import mask

SHAPE = {"rows": 40, "columns": 16, "length": 2.0, "promoters": 0, "wall_points": 1, "stability": False}
# Handbooks give f = 96 / Re for Darcy's factor, which is 4 Cf; and Nu = 140/17 = 8.235 for constant heat flux.
CF, ST, ST_FLUX = 96 / 4, 6.4, 8.235


@pytest.mark.parametrize(("low", "high"), [(0.0, 0.0), (0.1, 0.1), (0.4, 0.05)])
@pytest.mark.parametrize("source", ["design", "mask"])
def test_walls_of_any_thickness(low, high, source):
    options = EmbeddedOptions(**SHAPE, source=source, reynolds=300, prandtl=0.7)
    design = np.array([low, high])
    sample = {"design": design, "mask": mask(design, options)}
    assert sample["mask"].sum() == round((low + high) / 2 * 40) * 16
    label = Embedded(options, Context("oracle")).label(sample)
    # A hundredth is wanted, and two thousandths of a refined mesh; quadratic elements hold the parabola exactly.
    assert label["cf"] * 300 == pytest.approx(CF, rel=1e-6)
    assert label["st"] * 300 * 0.7 == pytest.approx(ST, rel=2e-4)
    assert not label["unsteady"]


def test_constant_heat_flux():
    options = EmbeddedOptions(**SHAPE, heating="flux", prandtl=5)
    design = np.array([0.2, 0.0])
    label = Embedded(options, Context("oracle")).label({"design": design, "mask": mask(design, options)})
    assert label["st"] * 400 * 5 == pytest.approx(ST_FLUX, rel=1e-4)
