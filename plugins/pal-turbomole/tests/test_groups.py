"""What the options become in the control file."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from pal_turbomole.control import control_text
from pal_turbomole.groups import ground_groups, response_groups, state_group
from pal_turbomole.names import basis_of, ecp_of
from pal_turbomole.options import DftOptions, TddftOptions


def text(**options) -> str:
    return control_text(ground_groups(DftOptions(**options)))


@pytest.mark.parametrize(
    ("options", "lines"),
    [
        ({}, "$dft\n   functional b3-lyp\n   gridsize   m4\n"),
        ({"functional": "b3lyp-gaussian", "grid": "coarse"}, "$dft\n   functional b3-lyp_Gaussian\n   gridsize   m3\n"),
        ({"functional": "tpss", "grid": "finest"}, "$dft\n   functional tpss\n   gridsize   7\n"),
        (
            {"functional": "bmk", "functional_lines": ("functional libxc 279", "functional libxc add 1 280")},
            "$dft\n   functional libxc 279\n   functional libxc add 1 280\n   gridsize   m4\n",
        ),
        ({"energy_convergence": 1e-9, "density_convergence": 1e-8}, "$scfconv 9\n$denconv 1.0d-08\n"),
        ({"energy_convergence": 3e-7}, "$scfconv 7\n"),
        ({"max_iterations": 250}, "$scfiterlimit 250\n"),
        ({"damping": (5, 0.1, 0.5)}, "$scfdamp   start=5.000  step=0.100  min=0.500\n"),
        ({}, "$scforbitalshift  automatic=.1\n"),
        ({"level_shift": 0.3}, "$scforbitalshift  closedshell=0.3000\n"),
        ({"dispersion": "d3bj"}, "$disp3 bj\n"),
        ({"dispersion": "d4"}, "$disp4\n"),
        ({"solvent": "water"}, "$cosmo\n  epsilon=78.4000\n"),
        ({"memory": 2000, "density_fitting": "coulomb"}, "$maxcor    2000 MiB  per_core\n"),
        ({"memory": 2000, "density_fitting": "coulomb"}, "$ricore 2000\n"),
    ],
)
def test_option_becomes_a_data_group(options, lines):
    assert lines in text(**options)


def test_what_is_not_asked_for_is_left_out():
    plain = text(functional="hf")
    for name in ("dft", "disp", "cosmo", "rij", "ricore", "scfinstab", "exopt"):
        assert f"${name}" not in plain


@pytest.mark.parametrize(
    ("options", "unrestricted", "kind"),
    [
        ({}, False, "rpas"),
        ({"spin": "triplet"}, False, "rpat"),
        ({"response": "tda"}, False, "ciss"),
        ({"response": "tda", "spin": "triplet"}, False, "cist"),
        ({}, True, "urpa"),
        ({"response": "tda"}, True, "ucis"),
    ],
)
def test_excited_states_are_asked_for_by_method_and_spin(options, unrestricted, kind):
    groups = control_text(response_groups(TddftOptions(states=4, response_convergence=5, **options), unrestricted))
    assert groups == f"$scfinstab {kind}\n$soes\n a   4\n$rpaconv 5\n$rpacor 500\n$end\n"
    assert state_group(3).title == "exopt 3"


@pytest.mark.parametrize(
    ("name", "library"),
    [
        ("6-31g*", "6-31G*"),
        ("6-31g(d)", "6-31G*"),
        ("6-311++g**", "6-311++G**"),
        ("def2-sv(p)", "def2-SV(P)"),
        ("def2-tzvpd", "def2-TZVPD"),
        ("dhf-tzvp", "dhf-TZVP"),
        ("dhf-tzvp-2c", "dhf-TZVP-2c"),
        ("aug-cc-pvtz", "aug-cc-pVTZ"),
        ("cc-pwcvdz-pp", "cc-pwCVDZ-PP"),
        ("STO-3G", "sto-3g"),
        ("x2c-TZVPall", "x2c-TZVPall"),
    ],
)
def test_basis_sets_have_the_names_of_the_library(name, library):
    assert basis_of(DftOptions(basis=name), "bi") == library


def test_dhf_sets_of_light_elements_are_those_of_def2():
    for name, library in (("dhf-tzvp", "def2-TZVP"), ("dhf-sv(p)", "def2-SV(P)"), ("dhf-tzvp-2c", "def2-TZVP")):
        assert basis_of(DftOptions(basis=name), "h") == basis_of(DftOptions(basis=name), "kr") == library
    assert basis_of(DftOptions(basis="dhf-tzvp"), "rb") == "dhf-TZVP"


def test_names_by_element():
    options = DftOptions(
        basis={"Bi": "dhf-tzvp", "default": "def2-svp"},
        ecp={"Bi": "dhf-tzvp", "I": "none", "H": "none", "C": "ecp-2-sdf"},
    )
    assert [basis_of(options, e) for e in ("bi", "h")] == ["dhf-TZVP", "def2-SVP"]
    assert [ecp_of(options, e) for e in ("bi", "i", "h", "o", "c")] == ["dhf-ecp", "none", None, None, "ecp-2-sdf"]
    assert basis_of(DftOptions(basis={"H": "sto-3g"}), "o") is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"reference": "restricted-open"},
            "Turbomole has no restricted open-shell DFT; take reference = 'unrestricted'",
        ),
        ({"cores": 2}, "cores = 2 needs parallel = 'smp' or 'mpi'"),
        ({"functional": "hf", "functional_lines": ("functional pbe",)}, "functional = 'hf' has no functional_lines"),
        (
            {"functional_lines": ("gridsize 7",)},
            "a line that begins with \"functional \" is wanted, found 'gridsize 7'",
        ),
        ({"functional_lines": ("functional x\n$end",)}, 'a line that begins with "functional " is wanted'),
        ({"functional": "libxc:pbe"}, "there is no functional 'libxc:pbe'"),
        ({"functional": "b3lyp"}, "take b3lyp-vwn5 or b3lyp-gaussian"),
    ],
)
def test_impossible_options_are_refused(options, message):
    for model in (DftOptions, TddftOptions):
        with pytest.raises(ValidationError, match=message):
            model(**options)


def test_level_of_theory_says_which_b3lyp():
    assert "(Turbomole's b3-lyp)" in DftOptions().level_of_theory()
    assert "VWN functional III" in DftOptions(functional="b3lyp-gaussian").level_of_theory()
    said = DftOptions(functional="bmk", functional_lines=("functional libxc 279",)).level_of_theory()
    assert said.endswith("gas phase; Turbomole with functional libxc 279")
    assert (
        "2 triplet states by Tamm-Dancoff" in TddftOptions(states=2, spin="triplet", response="tda").level_of_theory()
    )


def test_dispersion_and_forces_of_excited_states_are_refused_together():
    with pytest.raises(ValidationError, match="egrad's gradients"):
        TddftOptions(functional="pbe0", dispersion="d3bj", states=2)
    assert TddftOptions(functional="pbe0", dispersion="d3bj", states=2, gradients=[0]).gradient_states == (0,)
