"""What README says."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest
from pal_core.kernels import Context

from pal_design.gest_options import GestOptions
from pal_design.options import BoxOptions
from pal_design.random_options import EvenlyOptions
from pal_design.swarm_options import SwarmOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
FIRST, SECOND = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def test_swarm_finds_the_minimum():
    exec(FIRST, {})  # noqa: S102 - our own README


def test_space_of_one_s_own_is_searched():
    names: dict = {}
    exec(SECOND, names)  # noqa: S102 - our own README
    walker = names["ShapeSwarm"](SwarmOptions(particles=4), Context("generator"))
    pictures = [proposal.sample["picture"] for proposal in walker.propose(None)]
    assert len(pictures) == 4
    # Areas of discs with radii from 0.1 to 0.4.
    assert all(0.7 * np.pi * 0.01 < p.mean() < np.pi * 0.17 for p in pictures)


@pytest.mark.parametrize(
    ("heading", "model"),
    [
        ("Of all kernels", BoxOptions),
        ("Of `design.swarm`", SwarmOptions),
        ("Of `design.random`", EvenlyOptions),
        ("Of `design.gest`", GestOptions),
    ],
)
def test_table_has_every_option_with_unit_and_default(heading, model):
    table = README.split(heading)[1].split("\n\n")[1]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", table, re.MULTILINE)
    fields = model.model_json_schema()["properties"]
    assert [name for name, _, _ in rows] == list(fields)
    for name, unit, default in rows:
        assert unit == fields[name].get("unit", ""), name
        value = fields[name].get("default")
        said = {"none": None, "()": [], "empty": {}, "false": False}.get(default, default.strip('`"'))
        assert said == value or said == str(value), name
