"""Presets mean what the paper's levels of theory say, by PySCF, which is told of them in its own words."""

from __future__ import annotations

import numpy as np
import pytest
from installed import build
from pyscf import dft, gto, scf
from pyscf import tddft as response

from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.oracle import Dft
from pal_turbomole.tddft import Tddft
from pal_turbomole.units import HARTREE, HARTREE_PER_BOHR


def molecule(sample, basis, **more):
    atoms = [(int(z), p) for z, p in zip(sample["numbers"], sample["positions"], strict=True)]
    return gto.M(atom=atoms, basis=basis, verbose=0, **more)


def check_ground(label, mf):
    assert mf.converged
    assert label["energy"] / HARTREE == pytest.approx(mf.e_tot, abs=1e-7)
    np.testing.assert_allclose(label["forces"] / HARTREE_PER_BOHR, -mf.nuc_grad_method().kernel(), atol=3e-6)


def test_b3lyp_631gs_tddft(turbomole, context, h2, calls):
    label = Tddft(TddftOptions(preset="b3lyp-6-31gs-tddft", states=1), context).label(h2)
    assert calls() == ["define", "dscf", "grad", "egrad"]
    mf = dft.RKS(molecule(h2, "6-31g*"), xc="b3lyp5").run(conv_tol=1e-11)
    td = response.TDDFT(mf)
    td.nstates, td.conv_tol = 1, 1e-9
    td.kernel()
    np.testing.assert_allclose(label["state_energies"] / HARTREE, [mf.e_tot, mf.e_tot + td.e[0]], atol=1e-6)
    for k, gradient in enumerate((mf.nuc_grad_method().kernel(), td.nuc_grad_method().kernel(state=1))):
        np.testing.assert_allclose(label["state_forces"][:, k] / HARTREE_PER_BOHR, -gradient, atol=1e-5)


def test_bmk_def2_tzvpd(turbomole, context, h2, calls):
    label = Dft(DftOptions(preset="bmk-def2-tzvpd"), context).label(h2)
    assert calls() == ["define", "ridft", "rdgrad"]
    mf = dft.UKS(molecule(h2, "def2-tzvpd"), xc="hyb_mgga_x_bmk,gga_c_bmk").density_fit().run(conv_tol=1e-11)
    check_ground(label, mf)


def test_tpss_dhf_tzvp(turbomole, context, calls):
    strontium = build([38], [[0, 0, 0]])
    label = Dft(DftOptions(preset="tpss-dhf-tzvp"), context).label(strontium)
    assert calls() == ["define", "ridft", "rdgrad"]
    mf = (
        dft.RKS(molecule(strontium, "dhf-tzvp", ecp="dhf-tzvp"), xc="tpss")
        .density_fit(only_dfj=True)
        .run(conv_tol=1e-11)
    )
    check_ground(label, mf)


def test_heavy_element_has_the_core_potential_of_the_dhf_family(turbomole, context):
    sample = build([83, 1], [[0, 0, 0], [0, 0.1, 1.8]])
    options = DftOptions(functional="hf", basis={"Bi": "dhf-sv(p)", "H": "sto-3g"})
    label = Dft(options, context).label(sample)
    mol = molecule(sample, {"Bi": "dhf-sv(p)", "H": "sto-3g"}, ecp={"Bi": "dhf-sv(p)"})
    # 60 electrons are in the core.
    assert mol.nelectron == 24
    check_ground(label, scf.RHF(mol).run(conv_tol=1e-11))


def test_input_means_what_it_means_to_turbomole(turbomole, context, calls):
    # cclib's data/Turbomole/Turbomole7.4/CO_TD_trip: printed by dscf and escf 7.4.1 [bohr, hartree].
    positions = 0.529177210903 * np.array([[0, 0, -1.21523562783025], [0, 0, 0.91142624844116]])
    options = TddftOptions(functional="hf", basis="6-311++g**", spin="triplet", states=4, gradients=())
    label = Tddft(options, context).label(build([6, 8], positions))
    assert calls() == ["define", "dscf", "escf"]
    energies = label["state_energies"] / HARTREE
    assert energies[0] == pytest.approx(-112.76995414330, abs=1e-7)
    found = energies[1:] - energies[0]
    np.testing.assert_allclose(found, [0.1970671135, 0.1970671135, 0.2347872184, 0.2928534516], atol=2e-6)
