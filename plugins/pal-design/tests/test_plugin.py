from __future__ import annotations

from typing import ClassVar

import pytest
from pal_core.testing import PluginContract
from pydantic import ValidationError

from pal_design.options import GestBoxOptions, RandomBoxOptions, SwarmBoxOptions


class TestPlugin(PluginContract):
    plugin = "pal_design.plugin"
    options: ClassVar = {"design.swarm": {"minimise": ["f"]}, "design.gest": {"minimise": ["f"]}}
    heavy: ClassVar = (*PluginContract.heavy, "gest_api", "pal_design.swarm")


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (RandomBoxOptions, {"lower": [0, 0], "upper": [1]}, "lower has 2 numbers, upper has 1"),
        (RandomBoxOptions, {"lower": [0, 2], "upper": [1, 2]}, "is not below upper"),
        (SwarmBoxOptions, {}, "nothing to search for: name predicted fields in minimise or maximise"),
        (GestBoxOptions, {"minimise": ["f"], "maximise": ["f"]}, "to be small and large at once: f"),
    ],
)
def test_impossible_options_are_refused(model, values, message):
    with pytest.raises(ValidationError, match=message):
        model(**values)


def test_interface_reads_goals_and_limits():
    options = SwarmBoxOptions(field="knobs", lower=[0] * 3, upper=[1] * 3, maximise=["st"], at_most={"cf": 0.1})
    assert list(options.interface().consumes) == ["st", "cf"]
    assert str(options.interface().produces["knobs"]) == "knobs float64(3)"
