"""Files of data groups: ``control``, ``coord``, ``energy``; and ``exspectrum``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats

__all__ = ["Coord", "Energies", "Energy", "Group", "Groups", "Transition", "read_coord", "read_energy", "read_groups"]
__all__ += ["read_spectrum"]

_ATOM = re.compile(r"^(.*[\d.])\s+([a-zA-Z]\w*)(?:\s+f)?\s*$")
"""A row of ``$coord``; ``f`` marks a frozen atom."""
_CYCLE = re.compile(r"^\s*(\d+)((?:\s|-).*)$")
"""A row of ``$energy``; a negative energy may touch the number of its cycle."""


@dataclass(frozen=True)
class Group:
    """One data group.

    Parameters
    ----------
    title : str
        Its first line without ``$``: ``"closed shells"``, ``"energy    file=energy"``, ``"actual step      dscf"``.
    lines : tuple of str
        The lines below, without blank ones and comments.
    """

    title: str
    lines: tuple[str, ...]

    @property
    def file(self) -> str | None:
        """The file that holds the group's data, if it says ``file=``."""
        match = re.search(r"\bfile\s*=\s*(\S+)", self.title)
        return match[1] if match else None

    def rest(self, name: str) -> str:
        """What stands in the first line after its name."""
        return self.title[len(name) :].strip()


@dataclass(frozen=True)
class Groups:
    r"""Data groups of a file, up to ``$end``.

    A name is the first words of a title, up to a space, ``=`` or the end: ``"scfconv"``, ``"last SCF energy change"``.

    Examples
    --------
    >>> groups = read_groups("$scfconv  7\n$last SCF energy change = -1.5\n$end\n")
    >>> groups.need("scfconv").rest("scfconv"), groups.find("scf")
    ('7', None)
    """

    all: tuple[Group, ...]

    def find(self, name: str) -> Group | None:
        """The group of this name, if there is one."""
        pattern = re.compile(rf"{re.escape(name)}(?:[\s=]|$)")
        return next((group for group in self.all if pattern.match(group.title)), None)

    def need(self, name: str) -> Group:
        """The group of this name."""
        group = self.find(name)
        if group is None:
            titles = [f"${group.title}" for group in self.all]
            raise Unreadable("crashed", f"data group ${name} wanted, found {', '.join(titles) or 'none'}", titles)
        return group

    @property
    def unfinished_step(self) -> str | None:
        """Program that started and didn't come to its end: it leaves ``$actual step`` behind."""
        group = self.find("actual step")
        return group.rest("actual step") if group else None

    @property
    def last_step(self) -> str | None:
        """Program that came to its end last."""
        group = self.find("last step")
        return group.rest("last step") if group else None


@dataclass(frozen=True)
class Coord:
    """The group ``$coord``: element symbols as written, positions [bohr] of shape (atoms, 3)."""

    symbols: tuple[str, ...]
    positions: NDArray[np.float64]


@dataclass(frozen=True)
class Energy:
    """One cycle in a file ``energy``; values [hartree] by the names in its title."""

    cycle: int
    values: Mapping[str, float]


@dataclass(frozen=True)
class Energies:
    """The group ``$energy``: all cycles, and the names of its columns (``SCF``, ``SCFKIN``, ``SCFPOT``, ...)."""

    columns: tuple[str, ...]
    cycles: tuple[Energy, ...]

    @property
    def last(self) -> Energy:
        """The cycle of the last calculation that converged."""
        return self.cycles[-1]


@dataclass(frozen=True)
class Transition:
    """A row of ``exspectrum``.

    Parameters
    ----------
    number, irrep : int, str
    energy : float
        Excitation energy [hartree], 6 decimals.
    oscillator_velocity, oscillator_length : float
    """

    number: int
    irrep: str
    energy: float
    oscillator_velocity: float
    oscillator_length: float


def read_groups(text: str) -> Groups:
    """Split a file into its data groups.

    Raises
    ------
    Unreadable
        Without ``$end``, or if there is something before the first group, or a group comes twice.
    """
    groups: list[tuple[str, list[str]]] = []
    for line in text.splitlines():
        if line.startswith("$"):
            groups.append((line[1:].strip(), []))
            if groups[-1][0] == "end":
                break
        elif line.strip() and not line.lstrip().startswith("#"):
            if not groups:
                raise Unreadable("crashed", f"a data group wanted, found {line.strip()!r}", [line])
            groups[-1][1].append(line)
    if not groups or groups[-1][0] != "end":
        raise Unreadable("crashed", "a file of data groups has no $end: it is incomplete", text.splitlines()[-3:])
    titles = [title for title, _ in groups]
    if len(set(titles)) != len(titles):
        raise Unreadable("crashed", "a data group stands twice in its file", [f"${title}" for title in titles])
    return Groups(tuple(Group(title, tuple(lines)) for title, lines in groups[:-1]))


def read_coord(text: str) -> Coord:
    """Geometry in a file ``coord``, or in a ``control`` that holds it.

    Raises
    ------
    Unreadable
        Also if it isn't Cartesian and in bohr (``$coord angs``, ``$coord frac``).
    """
    group = read_groups(text).need("coord")
    if group.rest("coord"):
        raise Unreadable("invalid_input", f"coordinates in bohr wanted, found ${group.title}", [f"${group.title}"])
    symbols, positions = [], []
    for line in group.lines:
        match = _ATOM.match(line)
        if not match:
            raise Unreadable("crashed", f"three coordinates and an element wanted, found {line.strip()!r}", [line])
        positions.append(read_floats(match[1], 3))
        symbols.append(match[2])
    if not symbols:
        raise Unreadable("crashed", "data group $coord holds no atom", [f"${group.title}"])
    return Coord(tuple(symbols), np.array(positions))


def read_energy(text: str) -> Energies:
    """All cycles in a file ``energy``; a calculation that didn't converge adds none.

    Raises
    ------
    Unreadable
        If there is none, or a row has more numbers than the title has names, or fewer than three.
    """
    group = read_groups(text).need("energy")
    columns = tuple(group.rest("energy").split())
    cycles = []
    for line in group.lines:
        match = _CYCLE.match(line)
        values = read_floats(match[2]) if match else []
        if not match or not 3 <= len(values) <= len(columns):
            message = f"a cycle and its {' '.join(columns)} wanted in file energy, found {line.strip()!r}"
            raise Unreadable("crashed", message, [line])
        cycles.append(Energy(int(match[1]), dict(zip(columns, values, strict=False))))
    if not cycles:
        raise Unreadable("crashed", "file energy holds no cycle", [f"${group.title}"])
    return Energies(columns, tuple(cycles))


def read_spectrum(text: str, states: int) -> tuple[Transition, ...]:
    """The file ``exspectrum`` of escf.

    Parameters
    ----------
    text : str
    states : int
        How many there must be: the file has no end of its own that would show that it is complete.
    """
    lines = text.splitlines()
    if not text.endswith("\n") or not lines or not lines[0].startswith("# Excitation spectrum"):
        raise Unreadable("crashed", "file exspectrum is incomplete, or not one", lines[-2:])
    found = []
    for line in lines:
        if line.strip() and not line.startswith("#"):
            number, irrep, *rest = line.split()
            values = read_floats(" ".join(rest), 6)
            found.append(Transition(int(read_float(number)), irrep, values[0], values[4], values[5]))
    if len(found) != states:
        raise Unreadable("crashed", f"{states} states wanted in file exspectrum, found {len(found)}", lines[-2:])
    return tuple(found)
