"""The kernel turbomole.tddft, with stand-ins that compute by PySCF what they read in its input."""

from __future__ import annotations

import numpy as np
import pytest
from installed import H2, WATER, build
from pal_core.kernels import OracleFailure
from pyscf import gto, scf
from pyscf import tddft as response

from pal_turbomole.units import BOHR, HARTREE, HARTREE_PER_BOHR


def reference(sample, number, *, tda=False, singlet=True):
    """States of Hartree-Fock in 6-31G."""
    atoms = [(int(z), p) for z, p in zip(sample["numbers"], sample["positions"], strict=True)]
    mol = gto.M(
        atom=atoms, basis="6-31g", charge=int(sample["charge"]), spin=int(sample["multiplicity"]) - 1, verbose=0
    )
    mf = (scf.RHF if mol.spin == 0 else scf.UHF)(mol)
    mf.conv_tol = 1e-11
    mf.kernel()
    td = (response.TDA if tda else response.TDHF)(mf)
    td.nstates, td.singlet, td.conv_tol = number, singlet, 1e-9
    td.kernel()
    return mf, td


def check(label, mf, td, known):
    """Compare with PySCF to the digits that Turbomole's files have."""
    np.testing.assert_allclose(label["state_energies"] / HARTREE, [mf.e_tot, *(mf.e_tot + td.e)], atol=1e-6)
    assert np.flatnonzero(label["state_forces_known"]).tolist() == known
    for k in range(len(td.e) + 1):
        wanted = np.zeros((len(mf.mol.atom_coords()), 3))
        if k in known:
            wanted = -(td.nuc_grad_method().kernel(state=k) if k else mf.nuc_grad_method().kernel())
        np.testing.assert_allclose(label["state_forces"][:, k] / HARTREE_PER_BOHR, wanted, atol=1e-5)


@pytest.mark.parametrize("tda", [False, True])
def test_states_are_what_pyscf_computes(tddft, water, calls, tda):
    label = tddft(states=2, response="tda" if tda else "tddft").label(water)
    assert calls() == ["define", "dscf", "grad", "egrad", "egrad"]
    mf, td = reference(water, 2, tda=tda)
    check(label, mf, td, [0, 1, 2])
    dipoles = np.abs(np.array(td.transition_dipole()))
    # Six decimals are printed, in e·bohr; signs are arbitrary.
    np.testing.assert_allclose(np.abs(label["transition_dipoles"]) / BOHR, dipoles, atol=3e-5)
    np.testing.assert_allclose(label["oscillator_strengths"], td.oscillator_strength(), atol=1e-5)


@pytest.mark.parametrize(
    ("gradients", "programs"),
    [((), ["escf"]), ((0,), ["grad", "escf"]), ((2,), ["egrad"]), ((2, 0), ["grad", "egrad"])],
)
def test_only_the_gradients_that_are_asked_for_are_computed(tddft, water, calls, gradients, programs):
    label = tddft(states=2, gradients=gradients).label(water)
    assert calls() == ["define", "dscf", *programs]
    check(label, *reference(water, 2), sorted(gradients))


def test_one_surface(tddft, water, calls):
    label = tddft(states=2, surface=1).label(water)
    assert calls() == ["define", "dscf", "egrad"]
    mf, td = reference(water, 2)
    assert sorted(label) == ["energy", "forces"]
    assert label["energy"] / HARTREE == pytest.approx(mf.e_tot + td.e[0], abs=1e-6)
    forces = -td.nuc_grad_method().kernel(state=1)
    np.testing.assert_allclose(label["forces"] / HARTREE_PER_BOHR, forces, atol=1e-5)


def test_surface_of_the_ground_state_comes_with_its_states(tddft, water, calls):
    label = tddft(states=2, surface=0).label(water)
    assert calls() == ["define", "dscf", "grad", "escf"]
    assert label["energy"] / HARTREE == pytest.approx(reference(water, 2)[0].e_tot, abs=1e-7)


def test_triplets_have_no_oscillator_strength(tddft, h2):
    label = tddft(states=1, spin="triplet").label(h2)
    check(label, *reference(h2, 1, singlet=False), [0, 1])
    assert not label["oscillator_strengths"].any()
    assert not label["transition_dipoles"].any()


def test_open_shell_has_unrestricted_states(tddft):
    cation = build([8, 1, 1], WATER, 1, 2)
    label = tddft(states=2, gradients=(1,)).label(cation)
    check(label, *reference(cation, 2), [1])


def test_open_shell_has_no_triplets(tddft, calls):
    oracle = tddft(spin="triplet")
    for judge in (oracle.inspect, oracle.label):
        with pytest.raises(OracleFailure, match="multiplicity is 2") as caught:
            judge(build([8, 1, 1], WATER, 1, 2))
        assert caught.value.kind == "invalid_input"
    assert not calls()


FAILURES = [
    ("egrad:unconverged", "unconverged", "egrad: egrad doesn't say that its equations converged"),
    ("egrad:truncated", "crashed", "egrad: egrad stopped before its end"),
    ("egrad:state", "crashed", r"egrad computed the gradient of states \[2\], asked for was 1"),
    ("egrad:stale", "crashed", "cycle 1 in file gradient is of another geometry"),
    ("egrad:other-gradient", "crashed", "the gradient file isn't what egrad printed"),
    ("egrad:geometry", "crashed", "egrad's output is of another geometry"),
    ("egrad:actual", "crashed", "egrad left '.actual step egrad' in control"),
    ("dscf:unconverged", "unconverged", "dscf: the program says that it failed"),
]


@pytest.mark.parametrize(("failure", "kind", "message"), FAILURES)
def test_result_that_cannot_be_trusted_is_a_failure(tddft, fail, failure, kind, message):
    fail(failure)
    with pytest.raises(OracleFailure, match=message) as caught:
        tddft(states=2, gradients=(1,)).label(build([1, 1], H2))
    assert caught.value.kind == kind
