"""The light face of the package: kernels, options, imports."""

from __future__ import annotations

import subprocess
import sys

import pytest
from pal_core.spec import Role, load_target
from pydantic import ValidationError

from pal_ase.schema import LABEL, SAMPLE
from pal_ase.state_schema import state_schema
from pal_pyscf.options import DftOptions, TddftOptions
from pal_pyscf.plugin import pal_kernels

KERNELS = {spec.name: spec for spec in pal_kernels()}


def test_two_oracles_are_offered():
    assert sorted(KERNELS) == ["pyscf.dft", "pyscf.tddft"]
    for spec in KERNELS.values():
        assert spec.role is Role.ORACLE
        assert load_target(spec.target).Options is load_target(spec.options)


def test_light_modules_import_nothing_heavy():
    code = (
        "import sys, pal_pyscf.plugin, pal_pyscf.options\n"
        "print(sorted({'torch', 'ase', 'mpi4py', 'pyscf', 'scipy', 'basis_set_exchange'} & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("model", [DftOptions, TddftOptions])
def test_every_option_is_described(model):
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_interfaces_follow_the_options():
    assert DftOptions().interface().consumes == TddftOptions().interface().consumes == SAMPLE
    assert DftOptions().interface().produces == TddftOptions(surface=1).interface().produces == LABEL
    assert TddftOptions(states=4).interface().produces == state_schema(4)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"density_fitting": "coulomb"}, "no forces of excited states with density fitting; density_fitting = .none."),
        ({"preset": "tpss-dhf-tzvp"}, "no forces of excited states with density fitting"),
        ({"solvent": "water"}, "no forces of excited states in cosmo; solvent_model = .ddcosmo."),
        ({"reference": "restricted-open"}, "excited states need a restricted or an unrestricted reference"),
        ({"reference": "unrestricted", "spin": "triplet"}, "neither singlets nor triplets"),
        ({"gradients": [4]}, "gradients names state 4, but states = 3"),
        ({"margin": -1}, "greater than or equal to 0"),
    ],
)
def test_what_pyscf_lacks_is_refused_with_the_settings(options, message):
    with pytest.raises(ValidationError, match=message):
        TddftOptions(**options)


@pytest.mark.parametrize("options", [{"density_fitting": "coulomb"}, {"solvent": "water"}])
def test_energies_of_excited_states_are_less_demanding_than_forces(options):
    assert TddftOptions(**options, gradients=[0]).gradient_states == (0,)


def test_functionals_of_libxc_are_taken():
    assert DftOptions(functional="libxc:scan").level_of_theory().startswith("libxc:scan; ")


def test_level_of_theory_names_program_and_solvent_model():
    assert DftOptions().level_of_theory().endswith("; gas phase; PySCF")
    assert DftOptions(solvent="water").level_of_theory().endswith("dielectric constant 78.4; cosmo; PySCF")
