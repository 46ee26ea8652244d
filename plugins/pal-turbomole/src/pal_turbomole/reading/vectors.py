"""Tables of one vector per atom: gradients and couplings, as all programs print them, five atoms in a row."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats
from pal_turbomole.reading.log import Section, spans

__all__ = ["Vectors", "read_vectors"]

_TITLES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("gradient", re.compile(r"^\s*cartesian gradient of the energy \(hartree/bohr\)\s*$")),
    ("state", re.compile(r"^\s*cartesian gradients of excited state\s+(\d+) \(Hartree/bohr\)\s*$")),
    ("coupling", re.compile(r"^\s*cartesian nonadiabatic coupling matrix elements(?: \(1/bohr\))?\s*$")),
)
_PAIR = re.compile(r"^\s*<\s*(\d+)\s*\|\s*d/dR\s*\|\s*(\d+)\s*>\s*$")
_ATOM = re.compile(r"(\d+)\s+([a-z]\w*)")
_COMPONENT = re.compile(r"^\s*dE?/d([xyz])(.*)$")


@dataclass(frozen=True)
class Vectors:
    """One table.

    Parameters
    ----------
    kind : str
        ``"gradient"`` of the program's energy, of an excited ``"state"`` [both hartree/bohr], or ``"coupling"``
        [1/bohr].
    states : tuple of int
        The excited state, or the coupled ones (0 is the ground state), where the title says so.
    symbols : tuple of str
    values : ndarray of float64, shape (atoms, 3)
        7 digits.
    """

    kind: str
    states: tuple[int, ...]
    symbols: tuple[str, ...]
    values: NDArray[np.float64]


def read_vectors(section: Section) -> tuple[Vectors, ...]:
    """All tables of a section, each of which agrees with the norm or the sum printed below it.

    Raises
    ------
    Unreadable
        Also if there are rows that belong to no table: then lines are missing, and a table may be made up of two.
    """
    starts = [
        (number, kind, match)
        for number, line in enumerate(section.lines)
        for kind, title in _TITLES
        if (match := title.match(line))
    ]
    limits = spans([number for number, *_ in starts], len(section.lines))
    found, rows = [], 0
    for (start, end), (_, kind, match) in zip(limits, starts, strict=True):
        lines = section.lines[start:end]
        pair = _PAIR.match(lines[1]) if len(lines) > 1 else None
        states = tuple(map(int, pair.groups() if pair else match.groups()))
        symbols, values, used = _table(lines)
        _check(lines, symbols, values)
        found.append(Vectors(kind, states, symbols, values))
        rows += used
    stray = [line for line in section.lines if _COMPONENT.match(line)]
    if len(stray) != rows:
        raise Unreadable("crashed", f"{len(stray) - rows} rows of {section.program} belong to no table", stray[-3:])
    return tuple(found)


def _table(lines: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float64], int]:
    """Elements, values and number of rows of the table below a title."""
    symbols: list[str] = []
    columns: list[list[float]] = []
    rows = 0
    for number, line in enumerate(lines):
        if line.split()[:1] != ["ATOM"]:
            continue
        atoms = _ATOM.findall(line)
        if [int(n) for n, _ in atoms] != list(range(len(symbols) + 1, len(symbols) + len(atoms) + 1)) or not atoms:
            raise Unreadable("crashed", f"atom {len(symbols) + 1} wanted, found {line.strip()!r}", [line])
        symbols += [symbol for _, symbol in atoms]
        components = [_component(row, axis, len(atoms)) for row, axis in zip(_three(lines, number), "xyz", strict=True)]
        columns += [list(column) for column in zip(*components, strict=True)]
        rows += 3
    if not symbols:
        raise Unreadable("crashed", "a table of vectors wanted, found its title only", lines[:6])
    return tuple(symbols), np.array(columns), rows


def _three(lines: Sequence[str], number: int) -> Sequence[str]:
    rows = lines[number + 1 : number + 4]
    if len(rows) != 3:
        raise Unreadable("crashed", "three rows of components wanted, found the end", lines[number:])
    return rows


def _component(line: str, axis: str, count: int) -> list[float]:
    match = _COMPONENT.match(line)
    if not match or match[1] != axis:
        raise Unreadable("crashed", f"the {axis} components wanted, found {line.strip()!r}", [line])
    return read_floats(match[2], count)


def _check(lines: Sequence[str], symbols: Sequence[str], values: NDArray[np.float64]) -> None:
    """Compare with the norm and the largest component below a table; where there are none, with the sum."""
    text = "\n".join(lines)
    norm = re.search(r"^\s*gradient norm\s*:\s*(\S+)\s*$", text, re.MULTILINE)
    largest = re.search(r"\|maximum component of gradient\|\s*:\s*(\S+)\s+\(atom\s+(\d+) ([a-z]\w*)\s*\)", text)
    force = re.search(r"resulting FORCE\s+\(fx,fy,fz\) = \((.*?),(.*?),(.*?)\)", text)
    if norm and largest:
        atom = int(largest[2])
        wanted = [read_float(norm[1]), read_float(largest[1])]
        # 7 digits of each component, the first of which may be a 1: half a unit of the last is 5e-7 of it.
        agrees = np.allclose([np.linalg.norm(values), np.abs(values).max()], wanted, rtol=6e-7, atol=1e-14)
        agrees &= 0 < atom <= len(symbols) and symbols[atom - 1] == largest[3]
    elif force:
        # The sum is printed with 3 digits, and of components that are.
        room = 1e-7 * np.abs(values).sum(axis=0) + 1e-14
        wanted = [read_float(force[i]) for i in (1, 2, 3)]
        agrees = bool(np.all(np.abs(values.sum(axis=0) - wanted) <= room + 1e-2 * np.abs(wanted)))
    else:
        raise Unreadable("crashed", "a table of vectors without its norm below it", lines[:8])
    if not agrees:
        message = f"a table of vectors (norm {np.linalg.norm(values):.8g}) isn't that of the norm below it"
        shown = [match[0] for match in (norm, largest, force) if match]
        raise Unreadable("crashed", message, [*lines[:8], *shown])
