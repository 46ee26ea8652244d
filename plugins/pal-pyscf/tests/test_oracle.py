"""What the oracles do beside the numbers."""

from __future__ import annotations

import numpy as np
import pytest
from pal_core.errors import PalError
from pal_core.kernels import Context, OracleFailure
from pyscf import lib
from samples import WATER, build, moved

from pal_pyscf import scf
from pal_pyscf.basis import shells
from pal_pyscf.options import DftOptions
from pal_pyscf.oracle import Dft

H2 = build([1, 1], [[0, 0, 0], [0, 0, 3.0]])


def test_the_first_note_is_the_level_of_theory(tmp_path):
    notes: list[str] = []
    Dft(DftOptions(preset="tpss-dhf-tzvp"), Context("oracle", directory=tmp_path, note=notes.append))
    assert notes == [f"level of theory: {DftOptions(preset='tpss-dhf-tzvp').level_of_theory()}"]


def test_unknown_functionals_are_found_at_once(dft):
    with pytest.raises(PalError, match="PySCF doesn't know the functional 'libxc:nonsense'"):
        dft(functional="libxc:nonsense")


def test_missing_packages_are_named_with_their_cure(dft):
    with pytest.raises(PalError, match="option gpu needs the package gpu4pyscf") as caught:
        dft(gpu=True)
    assert "install gpu4pyscf" in str(caught.value.hint)


def test_functionals_of_libxc_are_what_they_say(dft, water):
    known, raw = (
        dft(functional=f, grid="coarse").label(water)["energy"] for f in ("pbe0", "libxc:0.25*hf+0.75*pbe,pbe")
    )
    assert raw == pytest.approx(float(known), abs=1e-5)


def test_no_file_is_left(dft, tmp_path, water):
    before = lib.param.TMPDIR
    dft().label(water)
    assert list(tmp_path.iterdir()) == []
    assert before == lib.param.TMPDIR


def test_nothing_is_printed(dft, capfd, water):
    dft(solvent="water").label(water)
    captured = capfd.readouterr()
    assert (captured.out, captured.err) == ("", "")


def test_threads_hold_for_the_label_only(dft, monkeypatch, water):
    seen = []
    oracle = dft(threads=2)
    monkeypatch.setattr(oracle, "_label", lambda *_: seen.append(lib.num_threads()) or {})
    with lib.with_omp_threads(1):
        oracle.label(water)
        assert (seen, lib.num_threads()) == ([2], 1)


@pytest.mark.parametrize("options", [{}, {"functional": "pbe", "grid": "coarse", "reference": "unrestricted"}])
def test_reused_orbitals_save_cycles_and_keep_the_label(dft, water, options):
    fresh, reusing = dft(**options), dft(**options, reuse_orbitals=True)
    reusing.label(water)
    near = moved(water, 1, 1, 0.01)
    expected, found = fresh.label(near), reusing.label(near)
    assert reusing.iterations < fresh.iterations
    assert abs(found["energy"] - expected["energy"]) < 1e-6
    np.testing.assert_allclose(found["forces"], expected["forces"], atol=1e-4)


def test_orbitals_are_not_reused_unless_asked_for(dft, water):
    oracle = dft()
    oracle.label(water)
    first = oracle.iterations
    oracle.label(water)
    assert oracle.iterations == first


def test_rescue_converges_what_the_first_attempt_does_not(dft):
    methyl = build([6, 1, 1, 1], [[0, 0, 0], [0, 2.1, 0], [1.8, -1.1, 0], [-1.0, -0.6, 0.2]], 0, 2)
    with pytest.raises(OracleFailure, match="no SCF convergence in 12 iterations"):
        dft(max_iterations=12, rescue=False).label(methyl)
    rescued, patient = (float(dft(max_iterations=n).label(methyl)["energy"]) for n in (12, 300))
    # Many more iterations end in a saddle point.
    assert rescued < patient - 0.1


def from_closed_shell(dft, stability):
    """An oracle that starts stretched hydrogen from the orbitals of its closed shell, a saddle point."""
    closed = dft(reuse_orbitals=True)
    closed.label(H2)
    coefficients, occupations = closed._store.nearest(H2)
    oracle = dft(reference="unrestricted", stability=stability, reuse_orbitals=True)
    oracle._store.add(H2, (np.stack([coefficients] * 2), np.stack([occupations / 2] * 2)))
    return oracle


def test_an_unstable_solution_is_refused_if_asked_for(dft):
    with pytest.raises(OracleFailure, match="the SCF solution is unstable") as caught:
        from_closed_shell(dft, "check").label(H2)
    assert caught.value.kind == "unconverged"


@pytest.mark.parametrize(
    ("stability", "rescued", "wanted"),
    [
        ("auto", False, []),
        ("auto", True, [True]),
        ("off", True, []),
        ("follow", False, [True]),
        ("check", True, [False]),
    ],
)
def test_stability_is_analysed_where_it_is_asked_for(dft, water, monkeypatch, stability, rescued, wanted):
    found, attempts = [], scf._attempts
    monkeypatch.setattr(scf, "_attempts", lambda *a: ((field, rescued) for field, _ in attempts(*a)))
    monkeypatch.setattr(scf, "_stable", lambda field, options, follow: found.append(follow) or field)
    dft(stability=stability).label(water)
    assert found == wanted


def test_following_an_instability_lowers_the_energy(dft):
    unstable, followed = (float(from_closed_shell(dft, what).label(H2)["energy"]) for what in ("off", "follow"))
    # Two hydrogen atoms: -0.9332 hartree in STO-3G, twice the textbook's -0.46658 (Szabo, Ostlund, section 3.5).
    assert unstable - followed > 5
    assert followed / 27.211386 == pytest.approx(-0.93316, abs=2e-4)


def test_closed_shells_are_the_same_restricted_or_not(dft, water):
    energies = [
        float(dft(reference=r).label(water)["energy"])
        for r in ("auto", "restricted", "unrestricted", "restricted-open")
    ]
    np.testing.assert_allclose(energies, energies[0], atol=1e-6)


def test_heavy_elements_get_their_potential():
    assert [shells("def2-svp", "auto", z).core for z in (6, 53, 83)] == [0, 28, 60]
    assert shells("dhf-tzvp", "auto", 83).core == 60
    assert shells("sto-3g", "none", 53).core == 0
    assert shells({"default": "sto-3g", "I": "def2-svp"}, "auto", 53).core == 28
    assert shells("sto-3g", {"I": "def2-svp"}, 53).core == 28


@pytest.mark.parametrize("basis", ["dhf-svp", "dhf-tzvp", "dhf-qzvpp"])
def test_dhf_sets_of_light_elements_are_those_of_def2(basis):
    assert shells(basis, "auto", 8) == shells(basis.replace("dhf", "def2"), "auto", 8)


def test_a_file_never_stands_in_for_a_basis_set(dft, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine-svp").write_text("H S\n 1.0 1.0\n")
    with pytest.raises(Exception, match=r"'mine-svp' .* is a file here"):
        dft(basis="mine-svp").label(WATER)


def test_states_without_forces_are_marked(tddft, water):
    found = tddft(gradients=[0, 2]).label(water)
    assert found["state_forces_known"].tolist() == [True, False, True]
    assert not found["state_forces"][:, 1].any()
    assert np.abs(found["state_forces"][:, 2]).max() > 0.1


def test_one_surface_is_the_state_of_that_number(tddft, water):
    everything = tddft().label(water)
    for state in (0, 2):
        surface = tddft(surface=state).label(water)
        assert surface["energy"] == pytest.approx(everything["state_energies"][state], abs=1e-6)
        np.testing.assert_allclose(surface["forces"], everything["state_forces"][:, state], atol=1e-4)


def test_the_ground_state_is_that_of_dft(dft, tddft, water):
    ground, excited = dft().label(water), tddft(gradients=[0]).label(water)
    assert excited["state_energies"][0] == pytest.approx(float(ground["energy"]), abs=1e-9)
    np.testing.assert_allclose(excited["state_forces"][:, 0], ground["forces"], atol=1e-9)


@pytest.mark.parametrize(("response", "wanted"), [("tddft", 9.302), ("tda", 9.555)])
def test_no_state_is_left_out_for_its_symmetry(tddft, response, wanted):
    # By diagonalisation of the whole matrix; the next state of the symmetries of the lowest pairs is at 9.81 or 10.39.
    planar = build([6, 8, 1, 1], [[0, 0, 0], [0, 0, 1.2], [0, 0.93, -0.58], [0, -0.93, -0.58]])
    label = tddft(basis="6-31g", response=response, states=2, margin=2, gradients=[]).label(planar)
    energies = label["state_energies"]
    assert energies[2] - energies[0] == pytest.approx(wanted, abs=2e-3)
