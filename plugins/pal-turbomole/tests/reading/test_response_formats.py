"""Logs of escf and egrad in the formats that the real ones here don't show."""

from __future__ import annotations

import numpy as np
import printed
import pytest
from hypothesis import given
from removal import shortened

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.response import read_response

A1 = [("a1", 1, 0.3, np.array([[0, 0, 0.5]])), ("a1", 2, 0.6, np.array([[0.1, 0, -0.2]]))]
B1 = [("b1", 1, 0.2, np.array([[0.7, 0, 0]]))]
E = [('e"', 1, 0.25, np.array([[0.1, 0, 0], [0, 0.1, 0]]))]


@pytest.mark.parametrize("square", [True, False])
def test_states_of_several_representations_are_sorted_by_energy(square):
    found = read_response(printed.response(A1 + B1 + E, square=square))
    assert [(s.irrep, s.number) for s in found.states] == [("a1", 1), ("a1", 2), ("b1", 1), ('e"', 1)]
    assert [(s.irrep, s.excitation) for s in found.by_energy] == [("b1", 0.2), ('e"', 0.25), ("a1", 0.3), ("a1", 0.6)]
    assert [s.multiplicity for s in found.states] == [1] * 4
    assert found.states[0].energy == -76.2
    np.testing.assert_array_equal(found.states[3].dipole_length, E[0][3])
    assert found.functional.vwn == "V"


@pytest.mark.parametrize(
    ("printed_method", "spin", "method", "reference", "multiplicity"),
    [
        ("RPA SINGLET-EXCITATION-CALCULATION", "singlet", "RPA", "restricted", 1),
        ("RPA TRIPLET-EXCITATION-CALCULATION", "triplet", "RPA", "restricted", 3),
        ("RPA UHF-EXCITATION-CALCULATION (spin-conserved)", "", "RPA", "unrestricted", None),
        ("CI SINGLES SINGLET-CALCULATION (TAMM-DANCOFF-APPROXIMATION)", "singlet", "TDA", "restricted", 1),
    ],
)
def test_methods_are_told_apart(printed_method, spin, method, reference, multiplicity):
    found = read_response(printed.response(A1, method=printed_method, spin=spin, square=False))
    assert (found.method, found.reference, found.states[0].multiplicity) == (method, reference, multiplicity)


def test_residuals_may_be_larger_after_a_step_on_the_large_grid():
    with pytest.raises(Unreadable, match=r"residual of 2\.32e-04 is left"):
        read_response(printed.response(A1, residual="2.32D-04"))
    found = read_response(printed.response(A1, residual="2.32D-04", coarse=True))
    assert (found.coarse, found.residual) == (True, 2.32e-4)


def test_an_unstable_ground_state_is_unconverged():
    text = printed.response([("a", 1, 0.3, np.zeros((1, 3)))]).replace(f"{0.09:.15E}".replace("E", "D"), "-9.0D-02")
    with pytest.raises(Unreadable, match=r"ground state isn't stable: eigenvalue -0\.09 of state 1 a") as caught:
        read_response(text)
    assert caught.value.kind == "unconverged"


def test_states_that_are_not_printed_or_are_others_are_refused():
    first, second = (printed.state(n, "a1", "singlet", energy, -76.5, dipoles) for _, n, energy, dipoles in A1)
    text = printed.response(A1 + B1)
    assert text.count(second) == 1
    with pytest.raises(Unreadable, match="solved for 3 states and prints 2, or others") as caught:
        read_response(text.replace(second, ""))
    assert caught.value.lines == ("[('a1', 1), ('b1', 1)]", "[('a1', 1), ('a1', 2), ('b1', 1)]")
    for other in (first, second.replace("2 singlet a1", "2 singlet a2"), second + first):
        with pytest.raises(Unreadable, match="or others"):
            read_response(text.replace(second, other))


def test_energies_that_count_from_zero_are_refused():
    text = printed.response(A1, flags=" Warning! Ground state energy set to zero.")
    with pytest.raises(Unreadable, match="counts from zero"):
        read_response(text)


STATES = [("a", i, e, np.array([[e, 0, 0.3]])) for i, e in enumerate((0.1, 0.2, 0.35), 1)]
SYMBOLS = printed.WATER[0]
VALUES = np.random.default_rng(7).normal(size=(6, 3, 3))
OF_STATE = "          cartesian gradients of excited state    {} (Hartree/bohr)"
COUPLED = (
    "          cartesian nonadiabatic coupling matrix elements (1/bohr)\n"
    "                          <   {} | d/dR |    {}>"
)
PAIRS = [(1, 2), (0, 1), (0, 2)]
TABLES = [printed.table(OF_STATE.format(n), SYMBOLS, VALUES[i]) for i, n in enumerate((1, 2, 3))] + [
    printed.table(COUPLED.format(*pair), SYMBOLS, VALUES[i + 3], label=" d/d") for i, pair in enumerate(PAIRS)
]
SEVERAL = "   3 excited states specified in $exopt:     1     2     3\n"


def egrad(*tables: str, chosen: str = SEVERAL, **others: str) -> str:
    return printed.response(STATES, *tables, program="egrad", chosen=chosen, **others)


def test_gradients_of_several_states_and_their_couplings_are_read():
    found = read_response(egrad(*TABLES, flags=" Using electron-translation factors"))
    assert [(g.number, g.irrep) for g in found.gradients] == [(1, "a"), (2, "a"), (3, "a")]
    assert [(c.bra, c.ket) for c in found.couplings] == PAIRS
    assert found.translation_factors
    for table, wanted in zip(
        [g.gradient for g in found.gradients] + [c.vector for c in found.couplings], VALUES, strict=True
    ):
        np.testing.assert_allclose(table, wanted, rtol=2e-6)


@pytest.mark.parametrize(
    "chosen",
    [
        " Excited state no.    2 chosen for optimization\n",
        " Data group $exopt missing or empty\n Default for state to be optimized is   2\n",
        " Default for state to be optimized is   2\n\n Excited state no.    2 chosen for optimization\n",
    ],
)
def test_a_gradient_without_a_number_is_of_the_chosen_state(chosen):
    table = printed.table(printed.GRADIENT, SYMBOLS, VALUES[0])
    (gradient,) = read_response(egrad(table, chosen=chosen)).gradients
    assert (gradient.number, gradient.irrep) == (2, "a")
    np.testing.assert_allclose(gradient.gradient, VALUES[0], rtol=2e-6)


@pytest.mark.parametrize(
    ("tables", "chosen", "message"),
    [
        (TABLES[:2], SEVERAL, r"states \[1, 2, 3\] were chosen, found those of \[1, 2\]"),
        ([TABLES[1], TABLES[0], TABLES[2]], SEVERAL, r"found those of \[2, 1, 3\]"),
        ([], SEVERAL, r"found those of \[\]"),
        (TABLES[:3], "", "doesn't say clearly"),
        (TABLES[:3], SEVERAL * 2, "doesn't say clearly"),
        (TABLES[:3], SEVERAL.replace("  3\n", "\n"), "doesn't say clearly"),
        (
            [TABLES[1]],
            " Excited state no.    1 chosen for optimization\n",
            r"states \[1\] were chosen, found those of \[2\]",
        ),
    ],
)
def test_gradients_of_other_states_than_chosen_are_refused(tables, chosen, message):
    with pytest.raises(Unreadable, match=message):
        read_response(egrad(*tables, chosen=chosen))


def test_escf_prints_no_gradients_and_atoms_must_be_the_same():
    with pytest.raises(Unreadable, match="escf should print no gradients"):
        read_response(printed.response(STATES, TABLES[0]))
    other = printed.table(printed.GRADIENT, ("h", "o", "h"), VALUES[0])
    text = egrad(other, chosen=" Excited state no.    2 chosen for optimization\n")
    with pytest.raises(Unreadable, match="of other atoms than its coordinates"):
        read_response(text)


@given(shortened(egrad(*TABLES)))
def test_lines_missing_from_a_log_never_mix_states(text):
    try:
        found = read_response(text)
    except Unreadable:
        return
    assert [(s.number, s.excitation) for s in found.states] == [(n, energy) for _, n, energy, _ in STATES]
    for s, (*_, dipole) in zip(found.states, STATES, strict=True):
        np.testing.assert_array_equal([s.dipole_velocity, s.dipole_length], [dipole, dipole])
    assert [g.number for g in found.gradients] == [1, 2, 3]
    for gradient in found.gradients:
        np.testing.assert_allclose(gradient.gradient, VALUES[gradient.number - 1], rtol=2e-6)
    for coupling in found.couplings:
        np.testing.assert_allclose(coupling.vector, VALUES[3 + PAIRS.index((coupling.bra, coupling.ket))], rtol=2e-6)
