"""The light face of the package: kernels, options, imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pal_core.spec import Role, load_target

from pal_ase.schema import LABEL, SAMPLE
from pal_ase.state_schema import state_schema
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.plugin import pal_kernels

KERNELS = {spec.name: spec for spec in pal_kernels()}


def test_two_oracles_are_offered():
    assert sorted(KERNELS) == ["turbomole.dft", "turbomole.tddft"]
    for spec in KERNELS.values():
        assert spec.role is Role.ORACLE
        assert load_target(spec.target).Options is load_target(spec.options)


def test_light_modules_import_nothing_heavy():
    code = (
        "import sys, pal_turbomole.plugin, pal_turbomole.options\n"
        "print(sorted({'torch', 'ase', 'mpi4py', 'pyscf', 'scipy'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("model", [DftOptions, TddftOptions])
def test_every_option_is_described(model):
    for name, field in model.model_fields.items():
        assert field.description, name


def test_interfaces_follow_the_options():
    assert DftOptions().interface().consumes == TddftOptions().interface().consumes == SAMPLE
    assert DftOptions().interface().produces == TddftOptions(surface=1).interface().produces == LABEL
    assert TddftOptions(states=4).interface().produces == state_schema(4)
