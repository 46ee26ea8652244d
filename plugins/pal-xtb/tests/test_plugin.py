"""The light face of the package: kernels, options, imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pal_core.options import KernelOptions
from pal_core.spec import Role, load_target
from pydantic import ValidationError

from pal_ase.schema import LABEL, SAMPLE, label_schema
from pal_xtb.options import BinaryOptions, TbliteOptions
from pal_xtb.plugin import pal_kernels

KERNELS = {spec.name: spec for spec in pal_kernels()}


def test_three_oracles_are_offered():
    assert sorted(KERNELS) == ["xtb.binary", "xtb.gfn1", "xtb.gfn2"]
    for spec in KERNELS.values():
        assert spec.role is Role.ORACLE
        assert load_target(spec.target).Options is load_target(spec.options)


def test_light_modules_import_nothing_heavy():
    code = (
        "import sys, pal_xtb.plugin, pal_xtb.options\n"
        "print(sorted({'torch', 'ase', 'mpi4py', 'tblite'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("model", [TbliteOptions, BinaryOptions])
def test_every_option_is_described(model: type[KernelOptions]):
    for name, field in model.model_fields.items():
        assert field.description, name
    assert model.model_fields["electronic_temperature"].json_schema_extra == {"unit": "K"}


def test_interfaces_follow_the_options():
    assert TbliteOptions().interface().consumes == BinaryOptions().interface().consumes == SAMPLE
    assert TbliteOptions().interface().produces == BinaryOptions().interface().produces == LABEL
    assert TbliteOptions(stress=True).interface().produces == label_schema(stress=True)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"solvent": "vodka"}, "Input should be 'acetone'"),
        ({"electronic_temperature": 0}, "greater than 0"),
        ({"accuracy": 1e-5}, "greater than or equal to 0.0001"),
        ({"max_iterations": 0}, "greater than 0"),
        ({"temperature": 300}, "Extra inputs are not permitted"),
    ],
)
def test_impossible_options_are_refused(options, message):
    for model in (TbliteOptions, BinaryOptions):
        with pytest.raises(ValidationError, match=message):
            model(**options)


@pytest.mark.parametrize("program", ["bin/xtb", "./xtb", ""])
def test_program_is_a_name_or_an_absolute_path(program):
    with pytest.raises(ValidationError, match="a name on PATH or an absolute path is wanted"):
        BinaryOptions(program=program)
