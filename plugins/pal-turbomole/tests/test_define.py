"""The dialogue with define, and what becomes of its result."""

from __future__ import annotations

import time

import pytest
from installed import build
from pal_core.kernels import OracleFailure

from pal_turbomole.coordinates import Geometry
from pal_turbomole.define import converse
from pal_turbomole.install import find
from pal_turbomole.options import DftOptions
from pal_turbomole.setup import read, request


@pytest.fixture
def set_up(turbomole, tmp_path):
    """Runs define for a sample, and reads its result."""

    def run(sample, **options):
        chosen = DftOptions(**({"functional": "hf", "basis": "def2-svp"} | options))
        folder = tmp_path / "define"
        folder.mkdir()
        (folder / "coord").write_text(Geometry.of(sample).coord_text())
        installed = find(["define"])
        asked = request(chosen, sample)
        converse(installed.programs["define"], folder, installed.environment, asked, chosen.define_limit)
        return read(folder, sample, asked)

    return run


def fails(set_up, sample, **options) -> OracleFailure:
    with pytest.raises(OracleFailure) as caught:
        set_up(sample, **options)
    return caught.value


def titles(setup) -> list[str]:
    return [g.title.split()[0] for g in setup.groups.all]


def test_closed_shell(set_up, water):
    setup = set_up(water, basis={"O": "def2-tzvp", "default": "6-31g*"})
    assert titles(setup) == ["title", "symmetry", "coord", "atoms", "basis", "rundimensions", "scfmo", "closed"]
    assert setup.groups.need("atoms").lines[1].split() == ["basis", "=o", "def2-TZVP"]
    assert setup.groups.need("atoms").lines[3].split() == ["basis", "=h", "6-31G*"]
    assert sorted(setup.files) == ["basis", "mos"]
    assert (setup.electrons, setup.unrestricted) == (10, False)


@pytest.mark.parametrize(
    ("charge", "multiplicity", "options", "occupied"),
    [(0, 3, {}, ["1-6", "1-4"]), (1, 2, {}, ["1-5", "1-4"]), (0, 1, {"reference": "unrestricted"}, ["1-5", "1-5"])],
)
def test_open_shells_are_unrestricted(set_up, water, charge, multiplicity, options, occupied):
    setup = set_up(build(water["numbers"], water["positions"], charge, multiplicity), **options)
    assert setup.unrestricted
    assert sorted(setup.files) == ["alpha", "basis", "beta"]
    found = [setup.groups.need(f"{spin} shells").lines[0].split()[1] for spin in ("alpha", "beta")]
    assert found == occupied
    assert setup.electrons == 10 - charge


def test_one_atom_has_other_questions(set_up):
    setup = set_up(build([1], [[0, 0, 0]], 0, 2))
    assert setup.groups.find("beta shells") is None
    assert setup.electrons == 1


def test_heavy_elements_get_the_core_potential_of_their_basis_set(set_up):
    setup = set_up(build([83, 1], [[0, 0, 0], [0, 0, 1.8]]), basis={"Bi": "dhf-tzvp", "H": "def2-svp"})
    assert setup.electrons == 84 - 60
    assert "   ecp   =bi dhf-ecp" in setup.groups.need("atoms").lines


def test_core_potentials_can_be_named_and_removed(set_up):
    iodine = build([53, 1], [[0, 0, 0], [0, 0, 1.6]])
    assert request(DftOptions(ecp={"I": "none"}), iodine).ecp == {"h": None, "i": "none"}
    setup = set_up(iodine, ecp={"I": "none"})
    assert setup.electrons == 54
    assert setup.groups.find("ecp") is None


def test_named_core_potential_is_asked_for(set_up):
    setup = set_up(build([53, 1], [[0, 0, 0], [0, 0, 1.6]]), ecp={"I": "dhf-ecp"})
    assert "   ecp   =i dhf-ecp" in setup.groups.need("atoms").lines
    assert setup.electrons == 26


@pytest.mark.parametrize(
    ("fitting", "group", "key"), [("coulomb", "rij", "jbas"), ("coulomb-exchange", "rik", "jkbas")]
)
def test_density_fitting_is_switched_on_by_define(set_up, water, fitting, group, key):
    setup = set_up(water, density_fitting=fitting)
    assert titles(setup)[-2:] == [group, key]
    assert any(line.split()[0] == key for line in setup.groups.need("atoms").lines)
    assert "auxbasis" in setup.files


def test_questions_that_come_for_some_molecules(set_up, water, monkeypatch):
    monkeypatch.setenv("STANDIN_DEFINE", "orbitals natural")
    assert set_up(water).electrons == 10


@pytest.mark.parametrize(
    ("options", "name"), [({"basis": "def3-svp"}, "'h def3-svp'"), ({"ecp": {"O": "ecp-99"}}, "'o ecp-99'")]
)
def test_name_that_the_library_does_not_have_is_invalid_input(set_up, water, options, name):
    failure = fails(set_up, water, **options)
    assert failure.kind == "invalid_input"
    assert failure.message == f"Turbomole's library has no basis set or core potential {name} (options basis and ecp)"
    assert "NO DATA SETS CATALOGUED" in failure.evidence


@pytest.mark.parametrize(
    ("wish", "kind", "message"),
    [
        ("abnormal", "crashed", "define ended abnormally"),
        ("symmetry", "crashed", "define read 3 atoms in symmetry c2v, wanted are 3 in c1"),
        ("wrong-occupation", "crashed", "define occupied 2 closed orbitals, wanted are 5 closed"),
        ("no-proposal", "invalid_input", "define proposes no closed shell: .* take reference = 'unrestricted'"),
    ],
)
def test_dialogue_that_goes_wrong(set_up, water, monkeypatch, wish, kind, message):
    monkeypatch.setenv("STANDIN_DEFINE", wish)
    with pytest.raises(OracleFailure, match=message) as caught:
        set_up(water)
    assert caught.value.kind == kind


def test_unknown_question_ends_at_the_limit(set_up, water, monkeypatch):
    monkeypatch.setenv("STANDIN_DEFINE", "hang")
    before = time.monotonic()
    failure = fails(set_up, water, define_limit=3.0)
    assert failure.kind == "timeout"
    assert failure.message == "define did not come to default_file within define_limit = 3 s"
    assert time.monotonic() - before < 60


def test_missing_core_potential_is_refused(set_up, monkeypatch):
    monkeypatch.setenv("STANDIN_DEFINE", "no-ecp")
    failure = fails(set_up, build([83, 1], [[0, 0, 0], [0, 0, 1.8]]))
    assert failure.kind == "invalid_input"
    assert failure.message.startswith("Turbomole's basis set 'bi def2-SVP' has no core potential; name one, or say ecp")


def test_density_fitting_that_stays_off(set_up, water, monkeypatch):
    monkeypatch.setenv("STANDIN_DEFINE", "no-fitting")
    failure = fails(set_up, water, density_fitting="coulomb")
    assert failure.message == "define did not switch density fitting on"


def test_elements_without_basis_set_are_named(set_up, water):
    failure = fails(set_up, water, basis={"H": "sto-3g"})
    assert (failure.kind, failure.message) == ("invalid_input", "there is no basis set for O (option basis)")
