from __future__ import annotations

from typing import ClassVar

import pytest
from pal_core.spec import load_target
from pal_core.testing import PluginContract
from pydantic import ValidationError

from pal_ase.schema import LABEL, STRESS
from pal_nequip.options import AllegroOptions, NequipOptions
from pal_nequip.plugin import pal_commands, pal_kernels


class TestPlugin(PluginContract):
    plugin = "pal_nequip.plugin"
    heavy: ClassVar = (*PluginContract.heavy, "safetensors", "nequip", "allegro", "e3nn", "pal_nequip.network")


def test_options_belong_to_the_kernels():
    assert [spec.name for spec in pal_kernels()] == ["nequip.nequip", "nequip.allegro"]
    for spec in pal_kernels():
        assert load_target(spec.target).Options is load_target(spec.options)
        assert load_target(spec.target).kernel == spec.name


def test_command_converts_models():
    (command,) = pal_commands()
    assert command.name == "nequip"
    assert list(command.commands) == ["convert"]


@pytest.mark.parametrize("options", [NequipOptions, AllegroOptions])
def test_interface_follows_the_options(options):
    assert options().interface().produces == LABEL
    assert list(options(stress=True).interface().produces.values()) == [*LABEL.values(), STRESS]
    assert list(options().interface().consumes) == ["numbers", "positions", "cell", "pbc"]
    assert list(options(charge_embedding=True).interface().consumes)[4:] == ["charge", "multiplicity"]


@pytest.mark.parametrize(
    ("options", "values", "message"),
    [
        (NequipOptions, {"num_layers": 0}, "num_layers\n  Input should be greater than 0"),
        (NequipOptions, {"num_features": [4, 4, 4]}, "num_features lists 3 orders; l_max = 1 has 2"),
        (NequipOptions, {"per_edge_type_cutoff": {"Xx": 3.0}}, "no chemical elements: Xx"),
        (AllegroOptions, {"per_edge_type_cutoff": {"H": {"O": 6.0}}}, "6.0 Å is more than the cutoff, 5.0 Å"),
        (AllegroOptions, {"num_scalar_features": 7}, "num_scalar_features\n  Input should be a multiple of 2"),
        (AllegroOptions, {"train": "readouts"}, 'train = "readouts" needs a trained network: give option model or'),
        (NequipOptions, {"new_readouts": True}, "new_readouts needs a trained network: give option model or weights"),
        (NequipOptions, {"model": "m", "l_max": 2, "cutoff": 4}, "option model brings cutoff, l_max from its file"),
        (AllegroOptions, {"radial_mlp_width": 8}, "radial_mlp_width\n  Extra inputs are not permitted"),
    ],
)
def test_impossible_options_are_refused(options, values, message):
    with pytest.raises(ValidationError, match=message):
        options(**values)
