"""Options of model and searches, and what README says of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pal_core.spec import load_target

from pal_cfd.channel_options import ChannelOptions
from pal_cfd.cnn_options import CnnOptions
from pal_cfd.plugin import pal_kernels
from pal_cfd.search_options import GoalOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("spec", [k for k in pal_kernels() if k.role.value != "oracle"], ids=lambda k: k.name)
def test_options_belong_to_the_kernel(spec):
    assert load_target(spec.target).Options is load_target(spec.options)


@pytest.mark.parametrize(
    ("heading", "model", "known"),
    [("## Model", CnnOptions, ()), ("## Searches", GoalOptions, tuple(ChannelOptions.model_fields))],
)
def test_table_has_every_option_with_unit_and_default(heading, model, known):
    table = README.split(f"{heading}\n")[1].split("\n## ")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", table, re.MULTILINE)
    fields = {n: f for n, f in model.model_json_schema()["properties"].items() if n not in known}
    assert [name for name, _, _ in rows] == list(fields)
    for name, unit, default in rows:
        assert unit == fields[name].get("unit", ""), name
        value = fields[name].get("default")
        assert default.strip('`"') == ("none" if value is None else str(value)), name


def test_swarm_and_model_see_the_same_masks():
    swarm = load_target("pal_cfd.search_options:ChannelSwarmOptions")()
    assert swarm.interface().produces["mask"] == CnnOptions().interface().consumes["mask"]
    assert list(CnnOptions().interface().produces) == ["cf", "st"] == list(swarm.interface().consumes)
