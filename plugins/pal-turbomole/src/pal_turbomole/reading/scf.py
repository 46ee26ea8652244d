"""Logs of dscf and ridft."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats
from pal_turbomole.reading.functional import Functional, read_functional
from pal_turbomole.reading.geometry import Atoms, read_atoms
from pal_turbomole.reading.log import Section, finished

__all__ = ["Scf", "read_scf"]

_MOMENTS = r"^\s*electrostatic moments\s*$"


@dataclass(frozen=True)
class Scf:
    """A converged self-consistent field calculation.

    Parameters
    ----------
    program, version : str
        ``"dscf"`` or ``"ridft"``, and ``"7.5.0"`` or empty.
    energy : float
        Total energy [hartree], 11 decimals.
    iterations : int
    atoms : Atoms
    functional : Functional or None
        None for Hartree-Fock.
    charge : int
        Of the molecule [e], from the electrons that the density holds.
    electrons : int
        Without those in effective core potentials.
    unrestricted : bool
    unpaired : int or None
        α less β electrons; None for an open shell in a restricted calculation, of which it isn't printed.
    s2 : float or None
        <S²>, printed by unrestricted calculations only.
    dispersion_energy : float or None
        D3's part of the energy [hartree], where it is printed.
    """

    program: str
    version: str
    energy: float
    iterations: int
    atoms: Atoms
    functional: Functional | None
    charge: int
    electrons: int
    unrestricted: bool
    unpaired: int | None
    s2: float | None
    dispersion_energy: float | None


def read_scf(text: str, programs: Collection[str] = ("dscf", "ridft")) -> Scf:
    """Read the log of a calculation that converged and ended.

    Parameters
    ----------
    text : str
        May hold other programs' output besides.
    programs : collection of str

    Raises
    ------
    Unreadable
        Without "convergence criteria satisfied", a total energy equal to the last iteration's, and "all done".
    """
    section = finished(text, programs)
    iterations, energy = _converged(section)
    charge, electrons, difference = _charge(section)
    unrestricted = section.find(r"^\s*UHF mode switched on") is not None
    dispersion = section.find(r"^\s*DFT-D\d? Energy contribution\s*=")
    return Scf(
        program=section.program,
        version=section.version,
        energy=energy,
        iterations=iterations,
        atoms=read_atoms(section),
        functional=read_functional(section),
        charge=charge,
        electrons=electrons,
        unrestricted=unrestricted,
        unpaired=difference if unrestricted else _closed(section, electrons),
        s2=_s2(section) if unrestricted else None,
        dispersion_energy=None if dispersion is None else read_float(section.lines[dispersion].split("=")[1]),
    )


def _converged(section: Section) -> tuple[int, float]:
    """Number of iterations and total energy, if all that is said of them agrees."""
    satisfied, count = section.only(r"^\s*convergence criteria satisfied after\s+(\d+)\s+iterations", "its convergence")
    titles = [number for number, _ in section.matches(r"^\s*ITERATION\s+ENERGY\s+1e-ENERGY", 0, satisfied)]
    row, total = section.only(r"^\s*\|\s*total energy\s*=(.*)\|\s*$", "a total energy", satisfied)
    energy = read_float(total[1])
    last = section.lines[titles[-1] + 1] if titles else ""
    number, _, values = last.strip().partition(" ")
    shown = [last, section.lines[satisfied], section.lines[row]]
    if number != count[1]:
        message = f"{section.program} converged after {count[1]} iterations, but the last one printed is {number!r}"
        raise Unreadable("crashed", message, shown)
    # The box has 11 decimals; 1e-9 leaves room for one more or less.
    if abs(read_floats(values)[0] - energy) > 1e-9:
        raise Unreadable("crashed", f"{section.program}'s total energy isn't that of its last iteration", shown)
    return int(count[1]), energy


def _charge(section: Section) -> tuple[int, int, int | None]:
    """Charge, number of electrons, and α less β where printed, from the last table of moments."""
    titles = [number for number, _ in section.matches(_MOMENTS)]
    start = titles[-1] if titles else len(section.lines)
    title, _ = section.only(r"^\s*charge\s*$", "a charge among its moments", start)
    nuclear, electronic, total = read_floats(section.lines[title + 2], 3)
    shown = section.lines[title : title + 4]
    if abs(nuclear + electronic - total) > 2e-6 or abs(total - round(total)) > 1e-3:
        raise Unreadable("crashed", f"a charge that is a whole number wanted, found {total}", shown)
    spin = section.lines[title + 3].split()
    difference = round(read_float(spin[1])) if spin[:1] == ["a-b"] else None
    return round(total), round(-electronic), difference


def _closed(section: Section, electrons: int) -> int | None:
    """No unpaired electrons if all occupied orbitals hold two; else unknown."""
    found = [int(match[1]) for _, match in section.matches(r"^\s*number of occupied orbitals\s*:\s*(\d+)")]
    return 0 if found and 2 * found[-1] == electrons else None


def _s2(section: Section) -> float:
    _, match = section.only(r"^\s*<S\*S>\s+(\S+)\s*$", "<S*S>")
    return read_float(match[1])
