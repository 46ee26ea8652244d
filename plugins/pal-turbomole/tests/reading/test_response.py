"""Real logs of escf and egrad."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from removal import shortened
from states import CO_STATES, H_STATES

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.response import read_response

CO = "cclib_7.4_CO_TD_trip/escf.out"
H = "mudslide_egrad_H.NAC.txt"
COUPLING = [[-0.1251235, 0.2216329, -0.1151528], [0, 0, 0]]


def rows(response):
    return [
        (
            s.excitation,
            s.energy,
            s.oscillator_velocity,
            s.oscillator_length,
            *(tuple(d[0].tolist()) for d in (s.dipole_velocity, s.dipole_length)),
            s.s2,
        )
        for s in response.states
    ]


@pytest.mark.parametrize(("name", "states"), [(CO, CO_STATES), (H, H_STATES)])
def test_real_states_are_read_to_the_last_digit(real, name, states):
    found = read_response(real(name))
    assert rows(found) == states
    assert [(s.number, s.irrep) for s in found.states] == [(i, "a") for i in range(1, len(states) + 1)]
    assert {s.multiplicity for s in found.states} == ({3} if name == CO else {None})


def test_real_escf_is_read_to_the_last_digit(real):
    found = read_response(real(CO))
    assert (found.program, found.version, found.method, found.reference) == ("escf", "7.4.1", "RPA", "restricted")
    assert (found.ground_energy, found.charge, found.functional) == (-112.7699541433, 0, None)
    assert (found.residual, found.coarse) == (7.650341961108428e-06, False)
    assert (found.gradients, found.couplings) == ((), ())
    assert found.atoms.symbols == ("c", "o")
    np.testing.assert_array_equal(found.atoms.positions, [[0, 0, -1.21523563], [0, 0, 0.91142625]])


def test_real_egrad_is_read_to_the_last_digit(real):
    found = read_response(real(H))
    assert (found.program, found.version, found.method, found.reference) == ("egrad", "", "RPA", "unrestricted")
    assert (found.ground_energy, found.charge, found.functional) == (-0.4999993319768, 0, None)
    assert (found.residual, found.coarse) == (2.513145479422938e-10, False)
    assert found.atoms.symbols == ("h", "q")
    np.testing.assert_array_equal(found.atoms.positions, [[0, 0, 0], [0, 0, 5]])
    (gradient,) = found.gradients
    assert (gradient.number, gradient.irrep) == (3, "a")
    np.testing.assert_array_equal(gradient.gradient, np.zeros((2, 3)))
    (coupling,) = found.couplings
    assert (coupling.bra, coupling.ket, found.translation_factors) == (0, 3, False)
    np.testing.assert_array_equal(coupling.vector, COUPLING)


@pytest.mark.parametrize("name", [CO, H])
def test_real_logs_that_are_cut_off_give_nothing(real, name):
    lines = real(name).splitlines(keepends=True)
    whole = next(i for i, line in enumerate(lines) if ": all done" in line)
    read_response("".join(lines[: whole + 1]))
    for cut in [*range(0, whole, 10), whole]:
        with pytest.raises(Unreadable):
            read_response("".join(lines[:cut]))


UNCONVERGED = [
    ("\n converged!", "\n not converged!", "not converged"),
    ("\n converged!", "\n", "doesn't say that its equations converged"),
    ("   11       a       10  ", "   11       a        9  ", "10 solutions wanted, 9 converged"),
    (
        "   10    4.638733721718919D-01    1.456909469852653D-06",
        "   10    4.638733721718919D-01    1.1D-05",
        "residual of 1.1",
    ),
    ("determined: 10", "determined: 11", "11 solutions wanted, 10 converged"),
    ("criterium   :  0.10E-04", "criterium   :  0.10E-05", "a residual of 7.65e-06 is left, allowed are 1.0e-06"),
]
CONTRADICTORY = [
    (
        "            2    1.970671135333851D-01    1.075771915310390D-06\n",
        "",
        "10 solutions wanted, 10 converged, 9 printed",
    ),
    ("                         2 triplet a excitation", "", "should print"),
    (" Excitation energy:                      0.2347872184128124", "", "its excitation energy once"),
    (
        "energy:                      0.2347872184128124",
        "energy:                      0.2347882184128124",
        "contradict|follows",
    ),
    (
        "energy:                           -112.5351669248872",
        "energy:         -112.5351679248872",
        "contradict|follows",
    ),
    ("    length representation:               0.8417635738192409", "", "its strength once"),
    (
        "    length representation:               0.8417635738192409",
        "    length representation:  0.85",
        "0.84176. follows",
    ),
    ("    z       -2.319015        Norm:", "    q", ""),
    ("Total energy:                           -112.7699541433000", "", "the ground state's energy once"),
    (" RPA TRIPLET-EXCITATION-CALCULATION ", "", "its method once"),
    (" Charge:\n", "", "the charge once"),
    (" residuum convergence criterium ", "", "its convergence criterion once"),
    ("   ****  escf : all done  ****", " escf ended abnormally", "ended abnormally"),
    ("escf (oliver", "egrad (oliver", "all done"),
]


@pytest.mark.parametrize(("old", "new", "message"), UNCONVERGED + [row for row in CONTRADICTORY if row[2]])
def test_real_log_that_did_not_converge_or_contradicts_itself_gives_nothing(real, old, new, message):
    text = real(CO)
    assert text.count(old) == 1
    with pytest.raises(Unreadable, match=message) as caught:
        read_response(text.replace(old, new))
    assert caught.value.kind == ("unconverged" if (old, new, message) in UNCONVERGED else "crashed")
    assert caught.value.lines


def test_equations_behind_a_real_gradient_must_converge_too(real):
    head, tail = real(H).split("CPKS right-hand side")
    for new in (" not converged!", ""):
        with pytest.raises(Unreadable) as caught:
            read_response(head + "CPKS right-hand side" + tail.replace(" converged!", new))
        assert caught.value.kind == "unconverged"
    with pytest.raises(Unreadable, match="a residual of 5"):
        read_response(head + "CPKS right-hand side" + tail.replace("5.047087406128772D-15\n \n\n", "5.0D-08\n \n\n"))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (" Excited state no.    3 chosen for optimization", "", "doesn't say clearly which states"),
        ("Excited state no.    3 chosen", "Excited state no.   16 chosen", "gradients of states .16. were chosen"),
        (" such that <0|d/dx|n> is now computed.", "", "the sign of egrad's coupling is not known"),
        ("dE/dx -0.1251235D+00  0.0000000D+00\n", "", "the x components wanted"),
        ("dE/dy  0.2216329D+00", "dE/dy  0.2216339D+00", "isn't that of the norm below"),
        ("cartesian nonadiabatic coupling matrix elements\n          ---", "\n ---", "atom 3 wanted"),
        ("resulting FORCE  (fx,fy,fz) = (0.000D+00", "resulting FORCE  (fx,fy,fz) = (0.100D+00", "isn't that"),
        ("resulting FORCE", "", "without its norm"),
    ],
)
def test_real_tables_with_a_piece_missing_or_other_give_nothing(real, old, new, message):
    text = real(H)
    assert text.count(old) == 1
    with pytest.raises(Unreadable, match=message):
        read_response(text.replace(old, new))


@pytest.mark.parametrize(("name", "states"), [(CO, CO_STATES), (H, H_STATES)])
@given(st.data())
def test_lines_missing_from_a_real_log_never_change_a_number(real, name, states, data):
    try:
        found = read_response(data.draw(shortened(real(name))))
    except Unreadable:
        return
    # <S²> may be among what is missing.
    assert [row[:6] for row in rows(found)] == [row[:6] for row in states]
    for gradient in found.gradients:
        np.testing.assert_array_equal(gradient.gradient, np.zeros((2, 3)))
    for coupling in found.couplings:
        np.testing.assert_array_equal(coupling.vector, COUPLING)
