from __future__ import annotations

from typing import ClassVar

import pytest
from pal_core.spec import load_target
from pal_core.testing import PluginContract
from pydantic import ValidationError

from pal_ase.schema import LABEL, STRESS
from pal_schnet.options import SchnetOptions
from pal_schnet.plugin import pal_kernels


class TestPlugin(PluginContract):
    plugin = "pal_schnet.plugin"
    heavy: ClassVar = (*PluginContract.heavy, "safetensors", "pal_ase.codec", "pal_schnet.network")


def test_options_belong_to_the_kernel():
    (spec,) = pal_kernels()
    assert load_target(spec.target).Options is load_target(spec.options)


def test_physical_options_have_units():
    schema = SchnetOptions.model_json_schema()["properties"]
    units = {name: schema[name].get("unit") for name in ("cutoff", "energy_weight", "forces_weight", "patience")}
    assert units == {"cutoff": "Å", "energy_weight": "1/eV", "forces_weight": "Å/eV", "patience": "steps"}


def test_stress_is_predicted_where_asked_for():
    assert SchnetOptions().interface().produces == LABEL
    assert list(SchnetOptions(stress=True).interface().produces.values()) == [*LABEL.values(), STRESS]
    assert list(SchnetOptions().interface().consumes) == ["numbers", "positions", "cell", "pbc"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"cutoff": 0}, "cutoff\n  Input should be greater than 0"),
        ({"basis": 1}, "basis\n  Input should be greater than or equal to 2"),
        ({"ema": 1.0}, "ema\n  Input should be less than 1"),
        ({"dtype": "float16"}, "dtype\n  Input should be 'float32' or 'float64'"),
        ({"layers": 2}, "layers\n  Extra inputs are not permitted"),
        ({"energy_weight": 0, "forces_weight": 0}, "energy_weight, forces_weight and stress_weight can't all be 0"),
    ],
)
def test_impossible_options_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        SchnetOptions(**values)
