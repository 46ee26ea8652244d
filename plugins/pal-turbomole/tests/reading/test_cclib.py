"""The same numbers as cclib's, which others wrote, where it reads a file."""

from __future__ import annotations

import logging

import numpy as np
import pytest

from pal_turbomole.reading.response import read_response
from pal_turbomole.reading.scf import read_scf

cclib = pytest.importorskip("cclib")

# cclib's own constants: what is compared is reading, not conversion.
HARTREE = cclib.parser.utils.convertor(1, "hartree", "eV")
WAVENUMBER = cclib.parser.utils.convertor(1, "hartree", "wavenumber")
BOHR = cclib.parser.utils.convertor(1, "bohr", "Angstrom")
SCF = [
    "cclib_7.5_dvb_sp/dscf.out",
    "cclib_7.4_CO_TD_trip/dscf.out",
    "QCEngineRecords_water_energy_pbe0/stdout",
    "QCEngineRecords_water_gradient_rimp2/stdout",
]


def theirs(path):
    return cclib.io.ccread(str(path), loglevel=logging.CRITICAL)


@pytest.mark.parametrize("name", SCF)
def test_cclib_reads_the_same_scf(reference, name):
    ours, other = read_scf((reference / name).read_text()), theirs(reference / name)
    assert ours.energy * HARTREE == pytest.approx(other.scfenergies[-1], abs=1e-9)
    # It leaves out the first one, which has no change of the energy.
    assert ours.iterations == len(other.scfvalues[-1]) + 1
    assert (ours.charge, ours.electrons) == (other.charge, other.nelectrons)
    np.testing.assert_allclose(ours.atoms.positions * BOHR, other.atomcoords[-1], atol=1e-9)
    np.testing.assert_array_equal(ours.atoms.charges, other.atomnos)


def test_cclib_reads_the_same_states(reference):
    path = reference / "cclib_7.4_CO_TD_trip/escf.out"
    ours, other = read_response(path.read_text()), theirs(path)
    energies = [s.excitation * WAVENUMBER for s in ours.states]
    np.testing.assert_allclose(energies, other.etenergies, rtol=1e-8)
    assert [s.oscillator_length for s in ours.states] == pytest.approx(other.etoscs, rel=1e-15)
    np.testing.assert_allclose([s.dipole_length[0] for s in ours.states], other.etdips, atol=1e-12)
    assert other.etsyms == ["Triplet-A"] * 10
