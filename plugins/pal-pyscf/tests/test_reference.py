"""Numbers against those of other programs."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from ase.units import Bohr, Hartree
from references import REFERENCES, Reference
from samples import build

from pal_ase.elements import SYMBOLS

TURBOMOLE = Path(__file__).parents[4] / "shared" / "reference" / "turbomole"


def label(reference: Reference, dft, tddft):
    if reference.excitations:
        return tddft(**reference.options).label(reference.sample)
    found = dft(**reference.options).label(reference.sample)
    return {"state_energies": np.array([float(found["energy"])])}


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: r.name)
def test_numbers_are_those_of_other_programs(reference, dft, tddft):
    found = label(reference, dft, tddft)
    energies = found["state_energies"] / Hartree
    if reference.energy is not None:
        assert energies[0] == pytest.approx(reference.energy, abs=reference.energy_tolerance, rel=0)
    if reference.excitations:
        excitations = energies[1:] - energies[0]
        np.testing.assert_allclose(excitations, reference.excitations, atol=reference.excitation_tolerance, rtol=0)
    if reference.strengths:
        np.testing.assert_allclose(found["oscillator_strengths"], reference.strengths, atol=2e-4)
    if reference.gradient:
        gradient = -found["state_forces"][:, 1] / (Hartree / Bohr)
        np.testing.assert_allclose(gradient, reference.gradient, atol=reference.gradient_tolerance, rtol=0)


def test_transition_dipoles_are_in_their_unit(tddft):
    reference = next(r for r in REFERENCES if r.name == "water, PBE0/cc-pVDZ, TDDFT")
    found = tddft(**reference.options).label(reference.sample)["transition_dipoles"]
    # Gaussian 09, a.u.: (0.2801, 0, 0), none, (0, 0, 0.6197), (0, 0.3980, 0).
    np.testing.assert_allclose(
        np.linalg.norm(found, axis=1), np.multiply([0.28009, 0, 0.61970, 0.39801], Bohr), atol=3e-4
    )


def test_the_two_b3lyps_differ_by_an_electronvolt(dft, water):
    """Turbomole's and Gaussian's: 0.0371 hartree for water, as the difference of VWN's functionals III and V."""
    turbomole, gaussian = (
        dft(functional=f"b3lyp-{v}", grid="coarse").label(water)["energy"] for v in ("vwn5", "gaussian")
    )
    assert 0.9 < turbomole - gaussian < 1.1


def test_divinylbenzene_is_turbomoles(dft):
    if not TURBOMOLE.is_dir():
        pytest.skip(f"no reference data in {TURBOMOLE}")
    rows = [line.split() for line in (TURBOMOLE / "cclib_7.5_dvb_sp" / "coord").read_text().splitlines()[1:21]]
    numbers = [SYMBOLS.index(row[3].capitalize()) for row in rows]
    positions = np.array([row[:3] for row in rows], float) * Bohr
    energy = float(dft(functional="hf", basis="sto-3g").label(build(numbers, positions))["energy"])
    assert energy / Hartree == pytest.approx(-379.76225629614, abs=2e-6, rel=0)
