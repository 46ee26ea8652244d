"""Geometries: the table that most programs print, and whether two are the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats
from pal_turbomole.reading.log import Section

__all__ = ["Atoms", "check_same", "read_atoms"]

_TITLE = r"^\s*atomic coordinates\s+atom\s+charge\s+isotop\s*$"
_ROW = re.compile(r"^(.*[\d.])\s+([a-z]\w*)\s+(\S+)\s+(\d+)\s*$")


@dataclass(frozen=True)
class Atoms:
    """The geometry that a program printed.

    Parameters
    ----------
    symbols : tuple of str
        As printed, in small letters; ``q`` for a centre without charge.
    positions : ndarray of float64, shape (atoms, 3)
        In bohr, 8 decimals.
    charges : ndarray of float64, shape (atoms,)
        Nuclear charges [e].
    """

    symbols: tuple[str, ...]
    positions: NDArray[np.float64]
    charges: NDArray[np.float64]


def read_atoms(section: Section) -> Atoms:
    """The table "Atomic coordinate, charge and isotop information" of a section."""
    title, _ = section.only(_TITLE, "its coordinates")
    symbols, positions, charges = [], [], []
    for line in section.lines[title + 1 :]:
        if not line.strip():
            break
        match = _ROW.match(line)
        if not match:
            raise Unreadable("crashed", f"a row of the coordinates wanted, found {line.strip()!r}", [line])
        positions.append(read_floats(match[1], 3))
        symbols.append(match[2])
        charges.append(read_float(match[3]))
    # The first table with a total is that of the basis set; others may be of some atoms only.
    total = next((match for _, match in section.matches(r"^\s*total:\s+(\d+)\s", title)), None)
    if total and int(total[1]) != len(symbols):
        message = f"{section.program} has {total[1]} atoms, but prints coordinates of {len(symbols)}"
        raise Unreadable("crashed", message, [section.lines[title], total[0]])
    if not symbols:
        raise Unreadable("crashed", f"{section.program} prints no coordinates", [section.lines[title]])
    return Atoms(tuple(symbols), np.array(positions), np.array(charges))


def check_same(
    symbols: Sequence[str],
    positions: ArrayLike,
    wanted_symbols: Sequence[str],
    wanted_positions: ArrayLike,
    *,
    tolerance: float = 1e-6,
    what: str = "the output",
) -> None:
    """Make sure that a geometry is the one that was asked for.

    Parameters
    ----------
    symbols, wanted_symbols : sequence of str
        Elements, in either case.
    positions, wanted_positions : array_like of float, shape (atoms, 3)
        In bohr.
    tolerance : float
        Largest difference of a coordinate [bohr]; logs print 8 decimals, files 14.
    what : str
        Where the geometry was found.

    Raises
    ------
    Unreadable
        Of kind ``crashed``: numbers that belong to another geometry say nothing of this one.
    """
    found, wanted = [s.lower() for s in symbols], [s.lower() for s in wanted_symbols]
    if found != wanted:
        message = f"{what} is of the atoms {' '.join(found)}, asked for were {' '.join(wanted)}"
        raise Unreadable("crashed", message)
    difference = np.abs(np.asarray(positions) - np.asarray(wanted_positions)).max(axis=1)
    atom = int(difference.argmax())
    if not difference[atom] <= tolerance:
        rows = [f"{where}: {np.asarray(p)[atom]}" for where, p in (("found", positions), ("asked", wanted_positions))]
        message = f"{what} is of another geometry: atom {atom + 1} is {difference[atom]:.3g} bohr off"
        raise Unreadable("crashed", message, rows)
