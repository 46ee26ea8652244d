from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import ClassVar

import pytest
from pal_core.spec import load_target
from pal_core.testing import PluginContract
from pydantic import ValidationError

from pal_ase.label_options import CalculatorOptions
from pal_ase.options import DriverOptions, LangevinOptions, VerletOptions
from pal_ase.plugin import pal_kernels

FILE = {"structure": Path(__file__)}
DRIVER = {**FILE, "function": f"{__file__}:test_options_belong_to_their_kernels"}


class TestPlugin(PluginContract):
    plugin = "pal_ase.plugin"
    heavy: ClassVar = (*PluginContract.heavy, "greenlet", "click.testing", "safetensors", "pal_ase.learning")
    options: ClassVar = {
        "ase.langevin": FILE,
        "ase.verlet": FILE,
        "ase.driver": DRIVER,
        "ase.biased-md": {**FILE, "uncertainty": {"depth": 0.3, "width": 0.01}},
        "ase.sampler": {**FILE, "transfer": {"atoms": [[0, 1, 2]]}},
        "ase.optimize": FILE,
        "ase.ts-search": FILE,
        "ase.calculator": {"calculator": "ase.calculators.emt:EMT"},
    }


_IMPORTS = """
import importlib, pkgutil, sys, pal_ase
for module in pkgutil.walk_packages(pal_ase.__path__, "pal_ase."):
    if module.name.split(".")[1] not in ("learning", "testing"):
        importlib.import_module(module.name)
sys.exit("torch" in sys.modules or "pal_ase.learning_options" not in sys.modules)
"""


def test_nothing_but_learning_imports_torch():
    assert subprocess.run([sys.executable, "-c", _IMPORTS], check=False).returncode == 0


def test_options_belong_to_their_kernels():
    for spec in pal_kernels():
        assert load_target(spec.target).Options is load_target(spec.options), spec.name


def test_physical_options_have_units():
    schema = LangevinOptions.model_json_schema()["properties"]
    units = {name: schema[name].get("unit") for name in ("temperature", "timestep", "friction", "hot", "rattle")}
    assert units == {"temperature": "K", "timestep": "fs", "friction": "1/fs", "hot": "K", "rattle": "Å"}


@pytest.mark.parametrize(
    ("model", "values", "message"),
    [
        (LangevinOptions, {"structure": "/no/such.xyz"}, "there is no file /no/such.xyz"),
        (LangevinOptions, {"structure": "/tmp"}, "there is no file /tmp"),
        (LangevinOptions, {**FILE, "temperature": 0}, "greater than 0"),
        (LangevinOptions, {**FILE, "temperature": 400, "hot": 800}, r"hot = 800 K must be above twice the temperature"),
        (VerletOptions, {**FILE, "isolated": 0.4}, r"isolated = 0.4 must be above 1 and above closest = 0.5"),
        (VerletOptions, {**FILE, "spread": 1.0}, r"spread = 1 must be above 1, the radius of the start structure"),
        (VerletOptions, {**FILE, "multiplicity": 0}, "greater than 0"),
        (DriverOptions, {**FILE, "function": "relax"}, "found 'relax', expected file.py:function or module:function"),
        (DriverOptions, {**FILE, "function": "a.py:b"}, r"there is no file a\.py"),
        (DriverOptions, {**DRIVER, "resume_from": "end"}, "Input should be 'trusted' or 'start'"),
        (CalculatorOptions, {"calculator": "EMT"}, "found 'EMT', expected file.py:Class or module:Class"),
    ],
)
def test_impossible_options_are_refused(model, values, message):
    with pytest.raises(ValidationError, match=message):
        model(**values)


def test_empty_structure_file_is_refused(tmp_path):
    path = tmp_path / "empty.xyz"
    path.touch()
    with pytest.raises(ValidationError, match=r"(?s)structure.*the file .*empty.xyz is empty"):
        LangevinOptions(structure=path)
