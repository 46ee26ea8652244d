"""The file ``gradient``, and the logs of grad and rdgrad."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import read_groups
from pal_turbomole.reading.floats import read_float, read_floats
from pal_turbomole.reading.geometry import Atoms, check_same, read_atoms
from pal_turbomole.reading.log import finished
from pal_turbomole.reading.vectors import read_vectors

__all__ = ["Gradient", "GradientLog", "read_gradient", "read_gradient_log"]

_CYCLE = re.compile(r"^\s*cycle\s*=\s*(\d+)\s+(\S.*?)\s+energy\s*=(.*)\|dE/dxyz\|\s*=(.*)$", re.IGNORECASE)
_ATOM = re.compile(r"^(.*[\d.])\s+([a-zA-Z]\w*)\s*$")


@dataclass(frozen=True)
class Gradient:
    """The last cycle of a file ``gradient``.

    Parameters
    ----------
    cycle : int
    surface : str
        Whose energy it is: ``"SCF"``, ``"MP2"``, ``"ex. state"``.
    energy : float
        In hartree, 10 decimals.
    symbols : tuple of str
    positions : ndarray of float64, shape (atoms, 3)
        In bohr, 14 decimals.
    gradient : ndarray of float64, shape (atoms, 3)
        In hartree/bohr, 14 digits.
    """

    cycle: int
    surface: str
    energy: float
    symbols: tuple[str, ...]
    positions: NDArray[np.float64]
    gradient: NDArray[np.float64]


@dataclass(frozen=True)
class GradientLog:
    """What a gradient program printed.

    Parameters
    ----------
    program, version : str
    atoms : Atoms or None
        None for rdgrad, which doesn't print its geometry.
    symbols : tuple of str
    gradient : ndarray of float64, shape (atoms, 3)
        In hartree/bohr, 7 digits.
    """

    program: str
    version: str
    atoms: Atoms | None
    symbols: tuple[str, ...]
    gradient: NDArray[np.float64]


def read_gradient(
    text: str, symbols: Sequence[str], positions: ArrayLike, energy: float, tolerance: float = 1e-6
) -> Gradient:
    """Read the last cycle, which must be that of a geometry and energy.

    Parameters
    ----------
    text : str
        With as many cycles as there are: programs append, and leave the file as it is when they fail.
    symbols : sequence of str
        Elements asked for, in either case.
    positions : array_like of float, shape (atoms, 3)
        Geometry asked for [bohr].
    energy : float
        Energy of the surface [hartree], from the log.
    tolerance : float
        Largest difference of coordinates [bohr] and energies [hartree].

    Raises
    ------
    Unreadable
        If the last cycle is another one's, or incomplete, or its gradient hasn't the norm that is printed with it.
    """
    lines = read_groups(text).need("grad").lines
    starts = [number for number, line in enumerate(lines) if line.lstrip().lower().startswith("cycle")]
    header = _CYCLE.match(lines[starts[-1]]) if starts else None
    if not header:
        raise Unreadable("crashed", "file gradient holds no cycle that can be read", lines[:3])
    head, body = lines[starts[-1]], lines[starts[-1] + 1 :]
    atoms = len(symbols)
    if len(body) != 2 * atoms:
        message = f"last cycle in file gradient should have {2 * atoms} lines for {atoms} atoms, and has {len(body)}"
        raise Unreadable("crashed", message, [head, *body[-2:]])
    found = [_atom(line) for line in body[:atoms]]
    last = Gradient(
        cycle=int(header[1]),
        surface=header[2],
        energy=read_float(header[3]),
        symbols=tuple(symbol for symbol, _ in found),
        positions=np.array([row for _, row in found]),
        gradient=np.array([read_floats(line, 3) for line in body[atoms:]]),
    )
    check_same(
        last.symbols,
        last.positions,
        symbols,
        positions,
        tolerance=tolerance,
        what=f"cycle {last.cycle} in file gradient",
    )
    if not abs(last.energy - energy) <= tolerance:
        message = f"cycle {last.cycle} in file gradient has energy {last.energy}, the log {energy} hartree"
        raise Unreadable("crashed", message, [head])
    norm = float(np.linalg.norm(last.gradient))
    # 6 decimals are printed.
    if not abs(norm - read_float(header[4])) <= 1e-6:
        raise Unreadable(
            "crashed", f"gradient of cycle {last.cycle} has norm {norm:.6f}, its title another one", [head]
        )
    return last


def read_gradient_log(text: str, programs: Collection[str] = ("grad", "rdgrad")) -> GradientLog:
    """Read the log of a gradient program that ended.

    Parameters
    ----------
    text : str
    programs : collection of str
        Others, such as ricc2, print the same table.

    Raises
    ------
    Unreadable
        Unless it is done and printed exactly one gradient.
    """
    section = finished(text, programs)
    tables = read_vectors(section)
    if [table.kind for table in tables] != ["gradient"]:
        kinds = ", ".join(table.kind for table in tables) or "none"
        raise Unreadable("crashed", f"one gradient of {section.program} wanted, found {kinds}", [section.lines[0]])
    table = tables[0]
    printed = section.find(r"Atomic coordinate, charge and isotop information") is not None
    atoms = read_atoms(section) if printed else None
    if atoms and atoms.symbols != table.symbols:
        raise Unreadable(
            "crashed", f"gradient of {section.program} is of other atoms than its coordinates", table.symbols
        )
    return GradientLog(section.program, section.version, atoms, table.symbols, table.values)


def _atom(line: str) -> tuple[str, list[float]]:
    match = _ATOM.match(line)
    if not match:
        raise Unreadable("crashed", f"coordinates and element wanted in file gradient, found {line.strip()!r}", [line])
    return match[2], read_floats(match[1], 3)
