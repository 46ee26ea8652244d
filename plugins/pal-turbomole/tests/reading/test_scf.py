"""Logs of dscf and ridft."""

from __future__ import annotations

import numpy as np
import printed
import pytest
from hypothesis import given
from hypothesis import strategies as st
from removal import shortened

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.geometry import check_same
from pal_turbomole.reading.scf import read_scf

DVB = "cclib_7.5_dvb_sp/dscf.out"
CO = "cclib_7.4_CO_TD_trip/dscf.out"
PBE0 = "QCEngineRecords_water_energy_pbe0/stdout"
RIMP2 = "QCEngineRecords_water_gradient_rimp2/stdout"
ATTENTION = "\n ATTENTION: dscf did not converge! \n"

# File: version, energy, iterations, electrons, elements.
FACTS = {
    DVB: ("7.5.0", -379.76225629614, 11, 70, "c c c c c h h h c c h h h c h c h h c h"),
    CO: ("7.4.1", -112.76995414330, 12, 14, "c o"),
    PBE0: ("7.3", -76.27371135900, 13, 10, "o h h"),
    RIMP2: ("7.3", -75.95536954370, 13, 10, "o h h"),
}
DVB_ROWS = [
    [-2.69176369, 0.44712810, 0.0],
    [-1.69852364, -2.06488484, 0.0],
    [0.92683508, -2.49591247, 0.0],
    [2.69176369, -0.44712810, 0.0],
    [1.69852364, 2.06488484, 0.0],
    [-3.00422990, -3.69235477, 0.0],
    [1.65163953, -4.45457581, 0.0],
    [3.00422990, 3.69235477, 0.0],
    [5.46170534, -1.01478293, 0.0],
    [7.37289876, 0.68855951, 0.0],
    [7.04372736, 2.74543191, 0.0],
    [5.92882674, -3.05381632, 0.0],
    [9.36353626, 0.07445521, 0.0],
    [-5.46170534, 1.01478293, 0.0],
    [-5.92882674, 3.05381632, 0.0],
    [-7.37289876, -0.68855951, 0.0],
    [-7.04372736, -2.74543191, 0.0],
    [-9.36353626, -0.07445521, 0.0],
    [-0.92683508, 2.49591247, 0.0],
    [-1.65163953, 4.45457581, 0.0],
]
CO_ROWS = [[0.0, 0.0, -1.21523563], [0.0, 0.0, 0.91142625]]
ROWS = {DVB: DVB_ROWS, CO: CO_ROWS, PBE0: printed.WATER[1], RIMP2: printed.WATER[1]}


@pytest.mark.parametrize("name", FACTS)
def test_real_logs_are_read_to_the_last_digit(real, name):
    found = read_scf(real(name))
    version, energy, iterations, electrons, symbols = FACTS[name]
    assert (found.program, found.version) == ("dscf", version)
    assert found.energy == energy
    assert found.iterations == iterations
    assert (found.electrons, found.charge, found.unpaired, found.s2) == (electrons, 0, 0, None)
    assert not found.unrestricted
    assert found.atoms.symbols == tuple(symbols.split())
    np.testing.assert_array_equal(found.atoms.positions, ROWS[name])
    assert [printed.CHARGES[s] for s in found.atoms.symbols] == found.atoms.charges.tolist()


def test_real_functional_is_told_from_hartree_fock(real):
    found = read_scf(real(PBE0)).functional
    assert found.lines == (
        "PBE0 hybrid functional",
        "exchange: 3/4 (LDA+PBE) + 1/4 HF",
        "correlation: LDA (PW) + PBE",
    )
    assert (found.vwn, found.grid) == (None, "m5")
    assert [read_scf(real(name)).functional for name in (DVB, CO, RIMP2)] == [None, None, None]


@pytest.mark.parametrize("name", FACTS)
def test_real_logs_that_are_cut_off_give_nothing(real, name):
    lines = real(name).splitlines(keepends=True)
    whole = next(i for i, line in enumerate(lines) if "dscf : all done" in line)
    assert read_scf("".join(lines[: whole + 1])).energy == FACTS[name][1]
    for cut in [*range(0, whole, 10), whole]:
        with pytest.raises(Unreadable):
            read_scf("".join(lines[:cut]))


@pytest.mark.parametrize("name", FACTS)
@pytest.mark.parametrize("said", ["instead", "besides", "attention"])
def test_all_done_after_no_convergence_gives_nothing(real, name, said):
    satisfied = f"convergence criteria satisfied after    {FACTS[name][2]} iterations"
    text = real(name)
    assert satisfied in text
    unsatisfied = f"  convergence criteria cannot be satisfied within    {FACTS[name][2]} iterations !"
    if said == "attention":
        text = text.replace("   ****  dscf : all", ATTENTION + "\n   ****  dscf : all")
    else:
        text = text.replace(satisfied, unsatisfied + f"\n {satisfied}" * (said == "besides"))
    with pytest.raises(Unreadable) as caught:
        read_scf(text)
    assert caught.value.kind == "unconverged"
    assert caught.value.lines


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" convergence criteria satisfied", " convergence", "its convergence once"),
        ("satisfied after    11", "satisfied after    12", "the last one printed is '11'"),
        ("  11  -379.76225629614 ", "  11  -379.76225639614 ", "isn't that of its last iteration"),
        ("=   -379.76225629614  |", "=   *****************  |", "1 number wanted"),
        (" |  total energy ", " |  energy ", "a total energy once"),
        ("   ****  dscf : all done  ****", " dscf ended abnormally", "ended abnormally"),
        ("   70.000000     -70.000000      -0.000000", "   70.000000     -69.500000       0.500000", "whole number"),
        (
            "         -1.69852364   -2.06488484    0.00000000    c      6.000     0\n",
            "",
            "has 20 atoms, but prints .* 19",
        ),
        ("         -1.69852364   -2.06488484", "         -1.69852364   **********", "3 numbers wanted"),
        ("atomic coordinates            atom    charge  isotop", "", "its coordinates once"),
    ],
)
def test_real_log_with_a_piece_missing_or_other_gives_nothing(real, old, new, message):
    text = real(DVB)
    assert text.count(old) == 1
    with pytest.raises(Unreadable, match=message) as caught:
        read_scf(text.replace(old, new))
    assert caught.value.kind == "crashed"


def test_ridft_of_a_closed_shell_with_dispersion_is_read():
    found = read_scf(printed.scf(-76.34300618220, dispersion=True, charge=-2))
    assert (found.program, found.version, found.energy, found.iterations) == ("ridft", "7.7.1", -76.3430061822, 2)
    assert (found.charge, found.electrons, found.unpaired) == (-2, 12, None)
    assert found.dispersion_energy == -0.000458920
    assert found.functional.lines == printed.B3LYP
    assert (found.functional.vwn, found.functional.grid) == ("V", "m3")


def test_unrestricted_calculations_have_a_spin():
    found = read_scf(printed.scf(charge=1, unpaired=1))
    assert (found.unrestricted, found.unpaired, found.electrons, found.charge, found.s2) == (True, 1, 9, 1, 0.7520542)


def test_correlation_of_gaussian_is_told_from_turbomoles():
    gaussian = [*printed.B3LYP[:2], "correlation: 0.19*LDA(VWNIII) + 0.81*LYP", "(VWNIII fit as in Gaussian)"]
    assert read_scf(printed.scf(lines=gaussian)).functional.vwn == "III"
    assert read_scf(printed.scf(lines=["PBE functional"], small=False)).functional.grid == "3"


def test_large_energies_fill_their_columns():
    assert read_scf(printed.scf(-123456.12345678901)).energy == -123456.12345678901


@given(st.data())
def test_lines_that_are_missing_never_change_a_number(data):
    text = data.draw(shortened(printed.scf(-76.34300618220, unpaired=1, charge=1)))
    try:
        found = read_scf(text)
    except Unreadable:
        return
    assert (found.energy, found.iterations, found.charge, found.electrons) == (-76.3430061822, 2, 1, 9)
    if len(found.atoms.symbols) < 3:
        with pytest.raises(Unreadable):
            check_same(found.atoms.symbols, found.atoms.positions, *printed.WATER)


@pytest.mark.parametrize("name", FACTS)
@given(st.data())
def test_lines_missing_from_a_real_log_never_change_a_number(real, name, data):
    try:
        found = read_scf(data.draw(shortened(real(name))))
    except Unreadable:
        return
    _, energy, iterations, electrons, symbols = FACTS[name]
    assert (found.energy, found.iterations, found.electrons, found.charge) == (energy, iterations, electrons, 0)
    assert found.atoms.symbols != tuple(symbols.split()) or np.array_equal(found.atoms.positions, ROWS[name])


def test_other_geometries_are_told_apart():
    symbols, positions = printed.WATER
    check_same(["O", "H", "H"], positions + 9e-7, symbols, positions)
    with pytest.raises(Unreadable, match="the log is of another geometry: atom 2 is 1e-05 bohr off") as caught:
        check_same(
            symbols, positions + np.array([[0, 0, 0], [0, 1e-5, 0], [0, 0, 0]]), symbols, positions, what="the log"
        )
    assert caught.value.lines[0].startswith("found: [ 0.         -1.49")
    with pytest.raises(Unreadable, match="is of the atoms h o h, asked for were o h h"):
        check_same(["h", "o", "h"], positions, symbols, positions)
    with pytest.raises(Unreadable, match="another geometry"):
        check_same(symbols, positions * np.nan, symbols, positions)
