"""The kernel turbomole.dft, with stand-ins that compute by PySCF what they read in its input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from installed import WATER, build
from pal_core.errors import PalError
from pal_core.kernels import OracleFailure
from pyscf import dft as ks
from pyscf import gto, scf
from pyscf.dispersion import dftd3

from pal_turbomole.options import DftOptions
from pal_turbomole.oracle import Dft
from pal_turbomole.units import HARTREE, HARTREE_PER_BOHR


def molecule(sample, basis):
    atoms = [(int(z), p) for z, p in zip(sample["numbers"], sample["positions"], strict=True)]
    charge, spin = int(sample["charge"]), int(sample["multiplicity"]) - 1
    return gto.M(atom=atoms, basis=basis, charge=charge, spin=spin, verbose=0)


def check(label, mf):
    """Compare with PySCF to the digits that Turbomole's files have."""
    mf.conv_tol = 1e-11
    energy = mf.kernel()
    assert mf.converged
    assert label["energy"] / HARTREE == pytest.approx(energy, abs=1e-7)
    np.testing.assert_allclose(label["forces"] / HARTREE_PER_BOHR, -mf.nuc_grad_method().kernel(), atol=2e-6)


@pytest.mark.parametrize(
    ("options", "mean_field", "programs"),
    [
        ({}, scf.RHF, ["define", "dscf", "grad"]),
        ({"reference": "unrestricted"}, scf.UHF, ["define", "dscf", "grad"]),
        ({"density_fitting": "coulomb-exchange"}, lambda m: scf.RHF(m).density_fit(), ["define", "ridft", "rdgrad"]),
    ],
)
def test_label_is_what_pyscf_computes(dft, water, calls, options, mean_field, programs):
    label = dft(**options).label(water)
    assert calls() == programs
    check(label, mean_field(molecule(water, "sto-3g")))


def test_charge_and_multiplicity_reach_the_programs(dft, water):
    for charge, multiplicity in ((1, 2), (0, 3)):
        sample = build([8, 1, 1], WATER, charge, multiplicity)
        check(dft().label(sample), scf.UHF(molecule(sample, "sto-3g")))


@pytest.mark.parametrize(
    ("functional", "libxc"),
    [
        # Turbomole's manual: b3-lyp has VWN(V) in its local part, b3-lyp_Gaussian VWN(III).
        ("b3lyp-vwn5", ".2*HF + .08*SLATER + .72*B88, .81*LYP + .19*VWN5"),
        ("b3lyp-gaussian", ".2*HF + .08*SLATER + .72*B88, .81*LYP + .19*VWN3"),
        ("pbe0", ".25*HF + .75*PBE, PBE"),
    ],
)
def test_functionals_mean_what_they_say(dft, h2, functional, libxc):
    label = dft(functional=functional, grid="fine").label(h2)
    mf = ks.RKS(molecule(h2, "sto-3g"))
    mf.xc, mf.grids.level = libxc, 4
    check(label, mf)


def test_dispersion_is_in_energy_and_forces(dft, water):
    plain = dft(functional="pbe0", grid="coarse").label(water)
    label = dft(functional="pbe0", grid="coarse", dispersion="d3bj").label(water)
    alone = dftd3.DFTD3Dispersion(molecule(water, "sto-3g"), xc="pbe0", version="d3bj").get_dispersion(grad=True)
    assert (label["energy"] - plain["energy"]) / HARTREE == pytest.approx(float(alone["energy"]), abs=1e-8)
    shift = (label["forces"] - plain["forces"]) / HARTREE_PER_BOHR
    np.testing.assert_allclose(shift, -alone["gradient"], atol=1e-7)


def test_iterations_that_do_not_suffice_are_no_label(dft, water):
    with pytest.raises(OracleFailure, match=r"dscf: the program says that it failed: .* cannot be satisfied") as caught:
        dft(max_iterations=2).label(water)
    assert caught.value.kind == "unconverged"
    assert "ATTENTION: dscf did not converge!" in caught.value.evidence


FAILURES = [
    ("dscf:unconverged", "unconverged", "dscf: the program says that it failed"),
    ("dscf:truncated", "crashed", "dscf: dscf stopped before its end: it doesn't say 'all done'"),
    ("dscf:abnormal", "crashed", "dscf ended with status 1"),
    ("dscf:actual", "crashed", "dscf left '.actual step dscf' in control, so it did not succeed"),
    ("dscf:killed", "crashed", "dscf was killed by signal 11"),
    ("dscf:licence", "crashed", "dscf ended with status 1: Your license has expired on 2019-12-31"),
    ("dscf:disk", "crashed", "dscf ended with status 1: forrtl: No space left on device"),
    ("dscf:geometry", "crashed", "dscf's output is of another geometry: atom 1 is 0.01 bohr off"),
    ("dscf:charge", "crashed", "dscf computed something else: charge, unpaired electrons and unrestricted are"),
    ("dscf:functional", "crashed", "functional are B-P86 functional; .* asked for were pbe"),
    ("grad:abnormal", "crashed", "grad ended with status 1"),
    ("grad:truncated", "crashed", "grad: grad stopped before its end"),
    ("grad:stale", "crashed", "cycle 1 in file gradient is of another geometry"),
    ("grad:other-gradient", "crashed", "the gradient file isn't what grad printed"),
    ("grad:geometry", "crashed", "another geometry: atom 1 is 0.01 bohr off"),
]


@pytest.mark.parametrize(("failure", "kind", "message"), FAILURES)
def test_result_that_cannot_be_trusted_is_a_failure(dft, h2, fail, context, failure, kind, message):
    fail(failure)
    oracle = dft(functional="pbe", grid="coarse")
    with pytest.raises(OracleFailure, match=message) as caught:
        oracle.label(h2)
    assert caught.value.kind == kind
    assert not (context.directory / "turbomole").exists()
    fail()
    assert np.isfinite(oracle.label(h2)["energy"])


def test_gradient_of_an_earlier_cycle_is_not_taken(dft, h2, tmp_path, fail):
    # A program that appends to the file of another geometry: the last cycle counts, and only if it is this one's.
    label = dft().label(h2)
    oracle = dft(keep_failed=tmp_path / "kept")
    fail("grad:stale")
    with pytest.raises(OracleFailure, match="of another geometry"):
        oracle.label(h2)
    (kept,) = (tmp_path / "kept").iterdir()
    assert (kept / "guess" / "gradient").read_text().count("cycle") == 1
    fail()
    np.testing.assert_array_equal(oracle.label(h2)["forces"], label["forces"])


def test_files_are_removed_after_success_and_kept_after_failure_if_asked_for(dft, h2, context, tmp_path, fail):
    oracle = dft(keep_failed=tmp_path / "kept")
    oracle.label(h2)
    assert list(context.directory.iterdir()) == []
    assert not (tmp_path / "kept").exists()
    fail("dscf:unconverged")
    for _ in range(2):
        with pytest.raises(OracleFailure):
            oracle.label(h2)
    (kept,) = (tmp_path / "kept").iterdir()
    assert kept.name.startswith("worker-0-")
    names = {"control", "coord", "basis", "mos", "dscf.out", "dscf.err", "define", "dscf_problem"}
    assert names <= {p.name for p in (kept / "guess").iterdir()}
    assert list(context.directory.iterdir()) == []


def test_start_orbitals_are_those_of_the_nearest_geometry(dft, water, calls, tmp_path, monkeypatch):
    far = water | {"positions": water["positions"] * 1.25}
    near = water | {"positions": water["positions"] * 1.001}
    oracle = dft(reuse_orbitals=True)
    first, plain = oracle.label(water), dft().label(near)
    oracle.label(far)
    seen = []
    run = Dft.calculate

    def watched(self, calculation):
        label = run(self, calculation)
        orbitals = calculation.folder / "mos"
        seen.append((int((calculation.folder / "iterations").read_text()), orbitals.read_text().splitlines()[1]))
        return label

    monkeypatch.setattr(Dft, "calculate", watched)
    reused, again = oracle.label(near), oracle.label(water)
    dft().label(near)
    assert reused["energy"] == pytest.approx(float(plain["energy"]), abs=1e-5)
    np.testing.assert_allclose(again["forces"], first["forces"], atol=1e-3)
    # 7 iterations from the guess, for this basis set.
    assert max(seen[0][0], seen[1][0]) <= seen[2][0] - 2
    assert json.loads(seen[0][1].split(None, 2)[2])["converged"]
    # Define is asked once for the composition, and each time where orbitals aren't reused.
    assert calls() == [*["define", "dscf", "grad"] * 2, *["dscf", "grad"] * 3, "define", "dscf", "grad"]


def test_reused_orbitals_that_do_not_converge_are_followed_by_a_fresh_start(dft, water, calls, fail):
    oracle = dft(reuse_orbitals=True)
    before = oracle.label(water)
    fail("dscf:unconverged-from-near")
    after = oracle.label(water)
    assert calls() == ["define", "dscf", "grad", "dscf", "dscf", "grad"]
    assert after["energy"] == pytest.approx(float(before["energy"]), abs=1e-6)


@pytest.mark.parametrize(
    ("sample", "options", "message"),
    [
        (build([1, 1], [[0, 0, 0], [0, 0, 0.1]]), {}, r"atoms 0 and 1 \(H-H\) are 0.1 Å apart"),
        (build([1, 1], [[0, 0, 0], [0, 0, 0.8]], 0, 2), {}, "needs an odd multiplicity"),
        (build([1, 1], [[0, 0, 0], [0, 0, 0.8]], 0, 3), {"reference": "restricted"}, "needs another reference"),
        (build([94], [[0, 0, 0]], 0, 7), {}, r"Turbomole's library has parameters for 1 \(H\) to 86 \(Rn\)"),
        (build([1], [[0, 0, 0]], 0, 2) | {"pbc": np.ones(3, bool)}, {}, "Turbomole's kernels label molecules only"),
        (build([8], [[0, 0, 0]], 0, 3), {"basis": {"H": "sto-3g"}}, "there is no basis set for O"),
    ],
)
def test_samples_that_no_attempt_could_label_run_no_program(dft, calls, sample, options, message):
    oracle = dft(**options)
    for judge in (oracle.inspect, oracle.label):
        with pytest.raises(OracleFailure, match=message) as caught:
            judge(sample)
        assert caught.value.kind == "invalid_input"
    assert calls() == []


def test_missing_turbomole_stops_the_kernel_before_any_label(context, monkeypatch):
    monkeypatch.delenv("TURBODIR", raising=False)
    with pytest.raises(PalError, match="there is no Turbomole"):
        Dft(DftOptions(), context)
