"""Excited states, as escf and egrad print them one by one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float
from pal_turbomole.reading.log import Section

__all__ = ["State", "read_states"]

_TITLE = r"^\s*(\d+)\s+(?:(singlet|triplet)\s+)?([a-z]\S*)\s+excitation\s*$"
_END = (
    r"I R R E P|SUMMARY OF EXCITATION|\$exopt|\$coupled|chosen for optimization|CPKS right-hand side|total\s+cpu-time"
)


@dataclass(frozen=True)
class State:
    """An excited state.

    Parameters
    ----------
    number, irrep : int, str
        Number in its representation, from 1; states of different ones aren't sorted by energy.
    multiplicity : {1, 3} or None
        None in unrestricted calculations.
    excitation : float
        Excitation energy [hartree], 16 digits.
    energy : float
        Total energy [hartree].
    oscillator_velocity, oscillator_length : float
        Oscillator strengths; those of triplets are what singlets would have.
    dipole_velocity, dipole_length : ndarray of float64, shape (degeneracy, 3)
        Transition dipole moments [e·bohr], 6 decimals; a row for each column of a degenerate representation.
    s2 : float or None
        <S²>, where printed.
    """

    number: int
    irrep: str
    multiplicity: Literal[1, 3] | None
    excitation: float
    energy: float
    oscillator_velocity: float
    oscillator_length: float
    dipole_velocity: NDArray[np.float64]
    dipole_length: NDArray[np.float64]
    s2: float | None


def read_states(section: Section) -> tuple[State, ...]:
    """All states of a section, in printed order.

    Raises
    ------
    Unreadable
        Also if an oscillator strength isn't that of the dipole moment and energy: then lines of two states are mixed.
    """
    titles = [(number, match) for number, match in section.matches(_TITLE)]
    states = []
    for i, (start, match) in enumerate(titles):
        stop = titles[i + 1][0] if i + 1 < len(titles) else len(section.lines)
        end = section.find(_END, start, stop)
        spin = match[2]
        lines = Section(
            f"{section.program}'s {match[0].strip()}", "", section.lines[start : stop if end is None else end]
        )
        states.append(_state(lines, int(match[1]), match[3], None if spin is None else 1 if spin == "singlet" else 3))
    return tuple(states)


def _state(lines: Section, number: int, irrep: str, multiplicity: Literal[1, 3] | None) -> State:
    oscillator, _ = lines.only(r"^\s*Oscillator strength:\s*$", "oscillator strengths")
    rotatory, _ = lines.only(r"^\s*Rotatory strength:\s*$", "rotatory strengths")
    s2 = list(lines.matches(r"^\s*S\^2 expectation value:(.*)$"))
    state = State(
        number=number,
        irrep=irrep,
        multiplicity=multiplicity,
        excitation=_value(lines, r"^\s*Excitation energy:(.*)$", "its excitation energy"),
        energy=_value(lines, r"^\s*Total energy:(.*)$", "its total energy"),
        oscillator_velocity=_value(lines, _strength("velocity"), "its strength", oscillator, rotatory),
        oscillator_length=_value(lines, _strength("length"), "its strength", oscillator, rotatory),
        dipole_velocity=_dipoles(lines, "velocity"),
        dipole_length=_dipoles(lines, "length"),
        s2=read_float(s2[0][1][1]) if len(s2) == 1 else None,
    )
    _consistent(lines, state.excitation, state.oscillator_velocity, state.dipole_velocity)
    _consistent(lines, state.excitation, state.oscillator_length, state.dipole_length)
    return state


def _strength(gauge: str) -> str:
    return rf"^\s*{gauge} representation:(.*)$"


def _value(lines: Section, pattern: str, what: str, start: int = 0, stop: int | None = None) -> float:
    return read_float(lines.only(pattern, what, start, stop)[1][1])


def _dipoles(lines: Section, gauge: str) -> NDArray[np.float64]:
    titles = lines.matches(rf"^\s*Electric transition dipole moment \({gauge} rep\.\):\s*$")
    rows = [_dipole(lines.lines[number + 2 : number + 5]) for number, _ in titles]
    if not rows:
        raise Unreadable("crashed", f"{lines.program} has no transition dipole moment", lines.lines[:1])
    return np.array(rows)


def _dipole(lines: Sequence[str]) -> list[float]:
    words = [line.split() for line in lines]
    if [row[:1] for row in words] != [["x"], ["y"], ["z"]] or min(map(len, words)) < 2:
        raise Unreadable("crashed", "x, y and z of a transition dipole moment wanted", lines)
    return [read_float(row[1]) for row in words]


def _consistent(lines: Section, energy: float, strength: float, dipoles: NDArray[np.float64]) -> None:
    """Check f = 2/3 ω Σ|d|², to what the dipole moment's 6 decimals allow."""
    size = np.linalg.norm(dipoles)
    wanted = 2 / 3 * energy * size**2
    room = 2 / 3 * abs(energy) * (2e-6 * size + 1e-11) + 1e-12
    if not abs(wanted - strength) <= room:
        message = f"{lines.program} has oscillator strength {strength}, but {wanted:.6g} follows from its dipole moment"
        raise Unreadable("crashed", message, lines.lines[:4])
