from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import pytest
from pal_core.spec import load_target
from pal_core.testing import PluginContract
from pydantic import ValidationError

from pal_mace.options import MaceOptions
from pal_mace.plugin import pal_kernels


class TestPlugin(PluginContract):
    plugin = "pal_mace.plugin"
    heavy: ClassVar = (*PluginContract.heavy, "mace", "e3nn", "safetensors", "pal_ase.codec", "pal_mace.network")


def test_options_belong_to_the_kernel():
    (spec,) = pal_kernels()
    assert load_target(spec.target).Options is load_target(spec.options)


def test_charge_is_read_where_it_is_embedded():
    assert list(MaceOptions().interface().consumes) == ["numbers", "positions", "cell", "pbc"]
    assert list(MaceOptions(charge_embedding=True).interface().consumes)[4:] == ["charge", "multiplicity"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"elements": []}, "elements\n  Tuple should have at least 1 item"),
        ({"elements": ["H", "Xx"]}, "elements\n  Value error, no chemical elements: Xx"),
        ({"elements": ["H", "C", "H"]}, "elements\n  Value error, an element stands twice: H, C, H"),
        ({"hidden_l": 2, "max_l": 1}, "hidden_l = 2 can't be larger than max_l = 1"),
        ({"correlation": 0}, "correlation\n  Input should be greater than or equal to 1"),
        ({"model": "m.safetensors", "features": 8, "cutoff": 4.0}, "option model brings cutoff, features from its"),
        ({"train": "readouts"}, 'train = "readouts" needs a trained network: give option model or weights'),
        ({"new_readouts": True}, "new_readouts needs a trained network"),
        ({"layers": 2}, "layers\n  Extra inputs are not permitted"),
    ],
)
def test_impossible_options_are_refused(values, message):
    with pytest.raises(ValidationError, match=message):
        MaceOptions(**values)


_IMPORT = """
import os, sys, torch
import pal_mace.model
print(os.environ.get("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD"), "mace" in sys.modules, torch.get_default_dtype())
class Trap:
    def __reduce__(self):
        return print, ("run by torch.load",)
torch.save(Trap(), sys.argv[1])
try:
    torch.load(sys.argv[1])
except Exception as error:
    print(type(error).__name__)
"""


@pytest.mark.parametrize("before", [None, "0"])
def test_import_leaves_torch_load_safe_and_prints_nothing(tmp_path, before, monkeypatch):
    monkeypatch.delenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", raising=False)
    if before is not None:
        monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", before)
    command = [sys.executable, "-c", _IMPORT, str(tmp_path / "trap.pt")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == f"{before} True torch.float32\nUnpicklingError\n"
    assert done.stderr == ""
