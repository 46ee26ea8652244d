"""The file ``gradient``, and the logs of gradient programs."""

from __future__ import annotations

import numpy as np
import printed
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from removal import shortened

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.gradient import read_gradient, read_gradient_log

STO3G = "cclib_7.4_water_mp2_rimp2/gradient"
SVP = "QCEngineRecords_water_gradient_rimp2/gradient"
LOG = "QCEngineRecords_water_gradient_rimp2/stdout"
# File: elements, positions, energy, gradient.
FACTS = {
    STO3G: (
        ("h", "o", "h"),
        [
            [1.41610067069348, 0.0, 0.83607701317838],
            [0.0, 0.0, -0.31246753888093],
            [-1.41610067069348, 0.0, 0.83607701317838],
        ],
        -75.0009789796,
        [
            [-0.35035032967113e-01, 0.0, -0.39087207614706e-01],
            [-0.10161659122241e-13, 0.0, 0.78174415229422e-01],
            [0.35035032967123e-01, 0.0, -0.39087207614716e-01],
        ],
    ),
    SVP: (
        *printed.WATER,
        -76.1593614075,
        [
            [0.77638926688872e-13, 0.0, -0.35034209636233e-01],
            [-0.38704950363896e-13, -0.31228670589283e-01, 0.17517104810727e-01],
            [-0.38933976324976e-13, 0.31228670589290e-01, 0.17517104810736e-01],
        ],
    ),
}
RNG = np.random.default_rng(5)
SYMBOLS = ("c", "h", "br", "o", "h", "h", "he")
CYCLES = [
    (-40.5 - 0.1 * i, SYMBOLS, RNG.normal(scale=3, size=(7, 3)), RNG.normal(scale=0.1 + i, size=(7, 3)))
    for i in range(3)
]
TEXT = printed.gradient_file(CYCLES)


@pytest.mark.parametrize("name", FACTS)
def test_real_gradients_are_read_to_the_last_digit(real, name):
    symbols, positions, energy, gradient = FACTS[name]
    found = read_gradient(real(name), [s.upper() for s in symbols], positions, energy)
    assert (found.cycle, found.surface, found.energy, found.symbols) == (1, "MP2", energy, symbols)
    np.testing.assert_array_equal(found.positions, positions)
    np.testing.assert_array_equal(found.gradient, gradient)


@pytest.mark.parametrize("name", FACTS)
def test_real_gradients_that_are_cut_off_anywhere_give_nothing(real, name):
    text = real(name)
    whole = text.index("\n$end") + len("\n$end")
    for cut in range(whole):
        with pytest.raises(Unreadable):
            read_gradient(text[:cut], *FACTS[name][:3])


def test_last_cycle_counts_and_must_be_the_one_asked_for():
    energy, symbols, positions, gradient = CYCLES[2]
    found = read_gradient(TEXT, symbols, positions, energy)
    assert (found.cycle, found.surface) == (3, "SCF")
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12)
    with pytest.raises(Unreadable, match="cycle 3 in file gradient is of another geometry") as caught:
        read_gradient(TEXT, symbols, CYCLES[1][2], CYCLES[1][0])
    assert caught.value.kind == "crashed"
    with pytest.raises(Unreadable, match=r"cycle 3 in file gradient has energy -40\.7, the log -40\.6"):
        read_gradient(TEXT, symbols, positions, CYCLES[1][0])
    with pytest.raises(Unreadable, match="is of the atoms c h br o h h he, asked for were"):
        read_gradient(TEXT, ("c", "h", "br", "o", "h", "h", "h"), positions, energy)
    with pytest.raises(Unreadable, match="should have 12 lines for 6 atoms, and has 14"):
        read_gradient(TEXT, symbols[:6], positions[:6], energy)


def test_an_excited_states_gradient_says_so():
    text = printed.gradient_file(CYCLES, "ex. state").replace("   |dE", " |dE")
    assert read_gradient(text, *CYCLES[2][1:3], CYCLES[2][0]).surface == "ex. state"


def test_energies_and_norms_may_touch():
    cycle = (-123456.123456789, ("h",), np.zeros((1, 3)), np.full((1, 3), -1e4))
    text = printed.gradient_file([cycle]).replace("   |dE", "|dE")
    assert read_gradient(text, *cycle[1:3], cycle[0]).energy == -123456.123456789


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("$grad", "$energy", r"\$grad wanted"),
        ("  cycle =      3    SCF energy =", "  cycle =      3    SCF", "no cycle that can be read"),
        ("  cycle =", "  circle =", "no cycle"),
        ("      he\n", "\n", "should have|element wanted"),
    ],
)
def test_broken_gradients_are_refused(old, new, message):
    with pytest.raises(Unreadable, match=message):
        read_gradient(TEXT.replace(old, new), *CYCLES[2][1:3], CYCLES[2][0])


@pytest.mark.parametrize("value", ["***************", "NaN", "0.1000000000000D+01"])
def test_a_component_that_is_not_its_own_is_refused(value):
    row = TEXT.splitlines()[-2]
    with pytest.raises(Unreadable, match=r"3 numbers wanted|norm"):
        read_gradient(TEXT.replace(row, value + row[22:]), *CYCLES[2][1:3], CYCLES[2][0])


LINES = TEXT.splitlines()


def without(*lines: int) -> str:
    return "\n".join([line for i, line in enumerate(LINES) if i not in lines])


@given(shortened(TEXT, 30, 4, 20))
@example(without(*range(1, 16)))
@example(without(*range(1, 31)))
@example(without(*range(31, 46)))
# Title and coordinates of the last cycle with the gradient of the one before: only the norm tells.
@example(without(*range(16, 24), *range(39, 46)))
@example("\n".join([*LINES[:1], *LINES[31:39], *LINES[24:31], "$end"]))
def test_lines_that_are_missing_never_give_another_geometrys_numbers(text):
    energy, symbols, positions, gradient = CYCLES[2]
    try:
        found = read_gradient(text, symbols, positions, energy)
    except Unreadable:
        return
    assert found.energy == pytest.approx(energy, abs=1e-12)
    np.testing.assert_allclose(found.positions, positions, atol=1e-13)
    np.testing.assert_allclose(found.gradient, gradient, rtol=1e-12)


@pytest.mark.parametrize("name", FACTS)
@given(st.data())
def test_lines_missing_from_a_real_gradient_never_give_other_numbers(real, name, data):
    try:
        found = read_gradient(data.draw(shortened(real(name), 4, 1, 4)), *FACTS[name][:3])
    except Unreadable:
        return
    np.testing.assert_array_equal(found.gradient, FACTS[name][3])


# The first table of a log stands for all: 7 digits.
REAL_LOG = [
    [0.7763893e-13, 0.0, -0.3503421e-01],
    [-0.3870495e-13, -0.3122867e-01, 0.1751710e-01],
    [-0.3893398e-13, 0.3122867e-01, 0.1751710e-01],
]


def test_real_log_is_read_to_the_last_digit(real):
    found = read_gradient_log(real(LOG), ["ricc2"])
    assert (found.program, found.version, found.symbols) == ("ricc2", "7.3", ("o", "h", "h"))
    np.testing.assert_array_equal(found.gradient, REAL_LOG)
    np.testing.assert_array_equal(found.atoms.positions, printed.WATER[1])
    with pytest.raises(Unreadable, match="output of grad or rdgrad wanted"):
        read_gradient_log(real(LOG))


def test_real_log_that_is_cut_off_gives_nothing(real):
    lines = real(LOG).splitlines(keepends=True)
    whole = next(i for i, line in enumerate(lines) if "ricc2 : all done" in line)
    for cut in [*range(0, whole, 10), whole]:
        with pytest.raises(Unreadable):
            read_gradient_log("".join(lines[:cut]), ["ricc2"])


def rdgrad(*, where: bool = False) -> str:
    _, symbols, positions, gradient = CYCLES[0]
    head = printed.coordinates(symbols, positions) if where else ""
    return printed.log("rdgrad", head, printed.table(printed.GRADIENT, symbols, gradient))


def test_rdgrad_prints_no_geometry_and_five_atoms_a_row(monkeypatch):
    found = read_gradient_log(rdgrad())
    assert (found.program, found.atoms, found.symbols) == ("rdgrad", None, SYMBOLS)
    np.testing.assert_allclose(found.gradient, CYCLES[0][3], rtol=1e-6)
    monkeypatch.setitem(printed.CHARGES, "he", 2)
    np.testing.assert_allclose(read_gradient_log(rdgrad(where=True)).atoms.positions, CYCLES[0][2], atol=1e-8)


def test_columns_of_large_gradients_touch():
    values = np.array([[-123.4567, 0.5, -1e-12], [-9876543, -2, 0]])
    title = printed.GRADIENT
    text = printed.log("grad", printed.table(title, ("o", "h"), values).replace(" -0.98765", "-0.98765"))
    assert "D+03-0.98765" in text
    np.testing.assert_allclose(read_gradient_log(text).gradient, values, rtol=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("gradient norm                  : ", "gradient norm                  : 1", "isn't that of the norm below"),
        ("(atom", "(atom 1", "without its norm"),
        ("(atom  ", "(atom 1", "isn't that of the norm below"),
        ("gradient norm", "norm", "without its norm"),
        ("  ATOM      1 c ", "  ATOM      2 c ", "atom 1 wanted"),
        ("  ATOM      6 h ", "  ATOM      7 h ", "atom 6 wanted"),
        ("  ATOM      6", "  atom      6", "belong to no table|isn't that"),
        ("dE/dy", "dE/dz", "the y components wanted"),
        (printed.GRADIENT, "", "belong to no table"),
        (printed.GRADIENT, printed.GRADIENT.replace("hartree", "eV"), "belong to no table"),
        ("dE/dx ", "dE/dx  ********", "5 numbers wanted"),
        (" ****  rdgrad : all done", " ****  rdgrad : all", "all done"),
    ],
)
def test_broken_logs_are_refused(old, new, message):
    text = rdgrad()
    assert old in text
    with pytest.raises(Unreadable, match=message):
        read_gradient_log(text.replace(old, new, 1))


def test_logs_without_a_gradient_or_with_two_are_refused():
    with pytest.raises(Unreadable, match="one gradient of grad wanted, found none"):
        read_gradient_log(printed.log("grad"))
    table = printed.table(printed.GRADIENT, *CYCLES[0][1::2])
    with pytest.raises(Unreadable, match="one gradient of grad wanted, found gradient, gradient"):
        read_gradient_log(printed.log("grad", table, table))


@given(shortened(rdgrad()))
def test_lines_missing_from_a_log_never_change_a_number(text):
    try:
        found = read_gradient_log(text)
    except Unreadable:
        return
    np.testing.assert_allclose(found.gradient, CYCLES[0][3], rtol=1e-6)


@given(st.data())
def test_lines_missing_from_a_real_log_never_change_a_number(real, data):
    try:
        found = read_gradient_log(data.draw(shortened(real(LOG))), ["ricc2"])
    except Unreadable:
        return
    np.testing.assert_array_equal(found.gradient, REAL_LOG)
