"""Files of the xtb program: the geometry that it reads, and what it writes about it. Needs NumPy only."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from pal_xtb.samples import SYMBOLS

__all__ = ["Gradient", "OutputError", "Setup", "coordinates", "read_energy", "read_gradient", "read_setup"]

# Fortran writes 1.0D-05 for double precision and drops the letter before exponents of three digits (1.0-105).
_NUMBER = re.compile(r"[+-]?\d*\.\d+(?:[EeDd][+-]?\d+|[+-]\d{3}(?![\d.]))?")


class OutputError(ValueError):
    """A file is not what xtb writes."""


@dataclass(frozen=True)
class Gradient:
    """The last cycle in a file ``gradient``.

    Parameters
    ----------
    energy : float
        Total energy [hartree].
    symbols : tuple of str
        Element symbols.
    positions : ndarray of float64, shape (atoms, 3)
        Geometry that the numbers belong to [bohr].
    gradient : ndarray of float64, shape (atoms, 3)
        Derivatives of the energy [hartree/bohr].
    """

    energy: float
    symbols: tuple[str, ...]
    positions: NDArray[np.float64]
    gradient: NDArray[np.float64]


@dataclass(frozen=True)
class Setup:
    """The table SETUP that xtb prints before it iterates."""

    hamiltonian: str
    orbitals: int
    electrons: int


def coordinates(numbers: ArrayLike, positions: ArrayLike) -> str:
    """Write a geometry in Turbomole's format.

    Parameters
    ----------
    numbers : array_like of int, shape (atoms,)
    positions : array_like of float, shape (atoms, 3)
        In bohr, so that no constant of xtb's comes between.
    """
    rows = zip(np.asarray(numbers).tolist(), np.asarray(positions).tolist(), strict=True)
    lines = [f"{x:.14f} {y:.14f} {z:.14f} {SYMBOLS[number].lower()}" for number, (x, y, z) in rows]
    return "\n".join(["$coord", *lines, "$end", ""])


def read_energy(text: str) -> float:
    """Total energy [hartree] in a file ``energy``: second column of the last cycle."""
    rows = [line.split() for line in _block(text, "$energy")]
    if not rows or len(rows[-1]) < 2:
        raise OutputError(f"file energy holds no cycle: {text[:200]!r}")
    return _numbers(" ".join(rows[-1][1:]), len(rows[-1]) - 1)[0]


def read_gradient(text: str) -> Gradient:
    """Last cycle of a file ``gradient``; numbers may touch and have D, E or no exponent letter.

    Raises
    ------
    OutputError
        If the cycle is incomplete or holds something else than numbers (stars, NaN).
    """
    lines = _block(text, "$grad")
    heads = [i for i, line in enumerate(lines) if "SCF energy" in line]
    if not heads:
        raise OutputError(f"file gradient holds no cycle: {text[:200]!r}")
    head, body = lines[heads[-1]], lines[heads[-1] + 1 :]
    if not body or len(body) % 2:
        raise OutputError(
            f"file gradient holds {len(body)} lines for positions and derivatives, an even number is wanted"
        )
    atoms, derivatives = body[: len(body) // 2], body[len(body) // 2 :]
    symbols = [line.split()[-1] for line in atoms]
    rows = [_numbers(line[: line.rindex(symbol)], 3) for line, symbol in zip(atoms, symbols, strict=True)]
    energy = re.search(r"SCF energy =\s*(\S+)", head)
    if energy is None:
        raise OutputError(f"file gradient gives no energy: {head!r}")
    return Gradient(
        _numbers(energy[1], 1)[0],
        tuple(symbols),
        np.array(rows),
        np.array([_numbers(line, 3) for line in derivatives]),
    )


def read_setup(text: str) -> Setup | None:
    """What xtb says it is going to compute, or None if it did not get that far."""
    hamiltonian = re.search(r":\s+Hamiltonian\s+(\S+)\s+:", text)
    orbitals = re.search(r"# atomic orbitals\s+(\d+)", text)
    electrons = re.search(r"# electrons\s+(-?\d+)", text)
    if hamiltonian is None or orbitals is None or electrons is None:
        return None
    return Setup(hamiltonian[1], int(orbitals[1]), int(electrons[1]))


def _block(text: str, name: str) -> list[str]:
    """Lines between ``name`` and the next ``$``; none if either is missing."""
    found = re.search(rf"^\{name}[^\n]*\n(.*?)^\$", text, re.MULTILINE | re.DOTALL)
    return [line for line in found[1].splitlines() if line.strip()] if found else []


def _numbers(text: str, count: int) -> list[float]:
    found = _NUMBER.findall(text)
    if len(found) != count or _NUMBER.sub("", text).strip():
        raise OutputError(f"{count} numbers are wanted, found {text.strip()!r}")
    return [_number(word) for word in found]


def _number(word: str) -> float:
    word = word.upper().replace("D", "E")
    if "E" not in word:
        word = word[0] + re.sub(r"([+-])", r"E\1", word[1:])
    return float(word)
