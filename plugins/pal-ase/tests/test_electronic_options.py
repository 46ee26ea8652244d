"""Options that every program for electrons understands."""

from __future__ import annotations

import subprocess
import sys
from typing import ClassVar

import pytest
from pydantic import ValidationError

from pal_ase.electronic_options import PRESETS, ElectronicOptions, of_element
from pal_ase.functionals import FUNCTIONALS
from pal_ase.response_options import ResponseOptions
from pal_ase.schema import LABEL
from pal_ase.state_schema import state_schema


class LibxcOptions(ElectronicOptions):
    takes_libxc: ClassVar = True


@pytest.mark.parametrize("name", PRESETS)
def test_presets_are_valid_and_change_something(name):
    assert ElectronicOptions(preset=name).level_of_theory() != ElectronicOptions().level_of_theory()


def test_the_presets_are_the_papers_levels():
    found = {name: (o.functional, o.basis) for name in PRESETS for o in [ElectronicOptions(preset=name)]}
    assert found == {
        "b3lyp-6-31gs-tddft": ("b3lyp-vwn5", "6-31g*"),
        "bmk-def2-tzvpd": ("bmk", "def2-tzvpd"),
        "tpss-dhf-tzvp": ("tpss", "dhf-tzvp"),
    }


def test_options_given_beside_a_preset_come_first():
    options = ElectronicOptions(preset="bmk-def2-tzvpd", basis="def2-svp")
    assert (options.functional, options.basis) == ("bmk", "def2-svp")


def test_a_preset_survives_writing_and_reading():
    options = ResponseOptions(preset="b3lyp-6-31gs-tddft", response="tda", states=2)
    assert ResponseOptions(**options.model_dump(mode="json")) == options


def test_presets_of_excited_states_serve_the_ground_state_too():
    assert ElectronicOptions(preset="b3lyp-6-31gs-tddft").functional == "b3lyp-vwn5"
    assert ResponseOptions(preset="b3lyp-6-31gs-tddft").response == "tddft"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"functional": "b3lyp"}, "programs disagree about what 'b3lyp' is; take b3lyp-vwn5 or b3lyp-gaussian"),
        ({"functional": "b3lpy"}, "there is no functional 'b3lpy'; known are hf, "),
        ({"functional": "libxc:scan"}, "there is no functional 'libxc:scan'"),
        ({"basis": {"Xx": "def2-svp"}}, "'Xx' is no element symbol"),
        ({"basis": ""}, "a name is empty"),
        ({"ecp": {"Bi": ""}}, "a name is empty"),
        ({"solvent": "vodka"}, "no dielectric constant of 'vodka' is known; give it, or one of acetone, "),
        ({"solvent": 0.9}, "a dielectric constant is above 1, found 0.9"),
        ({"functional": "m06-2x", "dispersion": "d3bj"}, "dispersion = 'd3bj' has no parameters for 'm06-2x'"),
        ({"functional": "bmk", "dispersion": "d4"}, "dispersion = 'd4' has no parameters for 'bmk'"),
        ({"energy_convergence": 1e-4}, "less than or equal to 0.00001"),
        ({"preset": "b3lyp"}, "Input should be 'b3lyp-6-31gs-tddft', "),
        ({"closest": 0}, "greater than 0"),
    ],
)
def test_impossible_options_are_refused(options, message):
    with pytest.raises(ValidationError, match=message):
        ElectronicOptions(**options)


def test_names_of_libxc_are_for_those_who_take_them():
    assert LibxcOptions(functional="libxc:scan").level_of_theory().startswith("libxc:scan; basis def2-svp")
    for name in ("libxc:", "scan"):
        with pytest.raises(ValidationError, match=r'or "libxc:..." with names of libxc'):
            LibxcOptions(functional=name)


def test_level_of_theory_tells_the_two_b3lyps_apart():
    turbomole, gaussian = (ElectronicOptions(functional=f"b3lyp-{w}").level_of_theory() for w in ("vwn5", "gaussian"))
    assert "VWN functional V in its local part (Turbomole's b3-lyp)" in turbomole
    assert "VWN functional III, the fit to the RPA" in gaussian


@pytest.mark.parametrize(
    "options",
    [
        {"basis": {"default": "def2-svp", "Bi": "dhf-svp"}},
        {"ecp": "none"},
        {"reference": "unrestricted"},
        {"density_fitting": "coulomb"},
        {"dispersion": "d4"},
        {"grid": "fine"},
        {"solvent": "water"},
        {"functional": "hf"},
    ],
)
def test_level_of_theory_names_what_changes_the_numbers(options):
    assert ElectronicOptions(**options).level_of_theory() != ElectronicOptions().level_of_theory()


def test_every_functional_has_its_own_names():
    for names in ([f.libxc for f in FUNCTIONALS.values()], [f.turbomole for f in FUNCTIONALS.values()]):
        assert len(set(names)) == len(FUNCTIONALS)


def test_solvents_have_dielectric_constants():
    assert ElectronicOptions(solvent="water").dielectric_constant == 78.4
    assert ElectronicOptions(solvent=2).dielectric_constant == 2
    assert ElectronicOptions().dielectric_constant is None


def test_names_per_element():
    table = {"default": "def2-svp", "Bi": "dhf-svp"}
    assert [of_element(table, s) for s in ("C", "Bi")] == ["def2-svp", "dhf-svp"]
    assert of_element({"Bi": "dhf-svp"}, "C") is None
    assert of_element("sto-3g", "C") == "sto-3g"


def test_gradients_of_all_states_unless_some_are_named():
    assert ResponseOptions(states=2).gradient_states == (0, 1, 2)
    assert ResponseOptions(states=2, gradients=[2, 0, 2]).gradient_states == (0, 2)
    assert ResponseOptions(states=2, gradients=[]).gradient_states == ()
    assert ResponseOptions(states=2, surface=1).gradient_states == (1,)


def test_gradients_have_no_say_beside_a_surface():
    assert ResponseOptions(states=2, surface=1, gradients=[1]).gradient_states == (1,)
    with pytest.raises(ValidationError, match="leave gradients out"):
        ResponseOptions(states=2, surface=1, gradients=[2])


@pytest.mark.parametrize(("options", "name"), [({"gradients": [3]}, "gradients"), ({"surface": 3}, "surface")])
def test_states_that_are_not_computed_are_refused(options, name):
    with pytest.raises(ValidationError, match=f"{name} names state 3, but states = 2"):
        ResponseOptions(states=2, **options)


def test_the_interface_is_all_states_or_one_surface():
    assert ResponseOptions(states=2).interface().produces == state_schema(2)
    assert ResponseOptions(states=2, surface=1).interface().produces == LABEL
    assert ElectronicOptions().interface().produces == LABEL


@pytest.mark.parametrize("model", [ElectronicOptions, ResponseOptions])
def test_every_option_is_described(model):
    assert [name for name, field in model.model_fields.items() if not field.description] == []


def test_what_oracles_share_is_light():
    modules = ["electronic_options", "response_options", "state_schema", "inspection", "orbital_store", "functionals"]
    code = f"import sys, {', '.join(f'pal_ase.{m}' for m in modules)}\n"
    code += "print(sorted({'torch', 'ase', 'mpi4py', 'pyscf', 'scipy'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reference": "restricted"}, "; 3 singlet states by"),
        ({"spin": "triplet"}, "; 3 triplet states by"),
        ({"reference": "unrestricted"}, "; 3 states of either spin by"),
        ({}, "; 3 singlet states (of multiplicities other than 1: states of either spin) by"),
    ],
)
def test_level_of_theory_claims_no_spin_that_states_do_not_have(options, said):
    assert said in ResponseOptions(**options).level_of_theory()
