"""The embedded oracle: invariances, agreement of its two sources, refusals."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.kernels import Context, OracleFailure

from pal_cfd.embedded import Embedded
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.geometry import mask

QUICK = {"promoters": 1, "length": 2.0, "rows": 48, "columns": 48, "reynolds": 200, "stability": False}
DESIGN = np.array([0.6, 0.8, 0.3, 0.15, 0.5])


def oracle(**options):
    return Embedded(EmbeddedOptions(**{**QUICK, **options}), Context("oracle"))


def sample(kernel, design):
    return {"design": np.asarray(design, float), "mask": mask(design, kernel.options)}


@pytest.mark.parametrize("source", ["design", "mask"])
def test_shift_and_flip_change_nothing(source):
    kernel = oracle(source=source, tolerance=0.1)
    shifted, flipped = (
        np.add(DESIGN, (1.25, 0, 0, 0, 0)),
        np.multiply(DESIGN, (1, -1, 1, 1, -1)) + 2 * (np.arange(5) == 1),
    )
    first, *others = (kernel.label(sample(kernel, d)) for d in (DESIGN, shifted, flipped))
    for other in others:
        for name in ("cf", "st"):
            assert other[name] == pytest.approx(first[name], rel=1e-3)


def test_mask_alone_says_nearly_what_the_design_says():
    exact, drawn = (k.label(sample(k, DESIGN)) for k in (oracle(), oracle(source="mask")))
    assert drawn["cf"] == pytest.approx(exact["cf"], rel=0.03)
    assert drawn["st"] == pytest.approx(exact["st"], rel=0.03)


def test_heat_in_is_heat_out_and_refinement_changes_less_than_asked():
    kernel = oracle(tolerance=0.003)
    found = kernel.solution(sample(kernel, DESIGN))
    finer = oracle(tolerance=0.1, fineness=3).solution(sample(kernel, DESIGN))
    assert abs(found.imbalance) < 1e-3
    assert found.cf == pytest.approx(finer.cf, rel=0.005)
    assert found.st == pytest.approx(finer.st, rel=0.005)
    assert found.cf > 24 / 200


def test_bad_designs_and_masks_are_invalid_input():
    kernel, masked = oracle(), oracle(source="mask")
    good = sample(kernel, DESIGN)
    blocked, pocket = good["mask"].copy(), good["mask"].copy()
    blocked[:, 40] = 1
    pocket[30:40, 30:40] = 1
    pocket[33:36, 33:36] = 0
    for judge, bad, reason in [
        (kernel, sample(kernel, [0.6, 0.25, 0.3, 0.15, 1.57]), "promoter 0 overlaps the lower wall"),
        (kernel, {**good, "mask": blocked}, "48 cells of the mask differ from those of the design"),
        (masked, {**good, "mask": blocked}, "the channel is blocked"),
        (masked, {**good, "mask": pocket}, "9 fluid cells around row 33, column 33 are cut off"),
        (masked, {**good, "mask": good["mask"][1:]}, r"the mask has the shape \(47, 48\), \(48, 48\) is wanted"),
    ]:
        with pytest.raises(OracleFailure, match=reason) as caught:
            judge.label(bad)
        assert caught.value.kind == "invalid_input"


def test_labels_that_still_change_are_unconverged():
    kernel = oracle(tolerance=1e-9, refinements=1)
    with pytest.raises(OracleFailure, match="still change by more than 1e-09 after 1 refinements") as caught:
        kernel.label(sample(kernel, DESIGN))
    assert caught.value.kind == "unconverged"
    assert caught.value.evidence.count("Newton's steps") == 2
