"""Logs of escf and egrad."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float, read_floats
from pal_turbomole.reading.functional import Functional, read_functional
from pal_turbomole.reading.geometry import Atoms, read_atoms
from pal_turbomole.reading.krylov import Root, Solution, read_solutions
from pal_turbomole.reading.log import Section, finished
from pal_turbomole.reading.states import State, read_states
from pal_turbomole.reading.vectors import Vectors, read_vectors

__all__ = ["Coupling", "Response", "StateGradient", "read_response"]

_METHOD = r"^\s*(RPA|CI SINGLES) (SINGLET|TRIPLET|UHF)-(?:EXCITATION-)?CALCULATION"


@dataclass(frozen=True)
class StateGradient:
    """Gradient of an excited state.

    Parameters
    ----------
    number, irrep : int, str
        The state, as in `State`.
    gradient : ndarray of float64, shape (atoms, 3)
        Derivatives of the state's total energy [hartree/bohr], 7 digits.
    """

    number: int
    irrep: str
    gradient: NDArray[np.float64]


@dataclass(frozen=True)
class Coupling:
    """A first-order nonadiabatic coupling ``<bra|d/dR|ket>``.

    Parameters
    ----------
    bra, ket : int
        Numbers of the states, 0 for the ground state.
    vector : ndarray of float64, shape (atoms, 3)
        In 1/bohr, 7 digits; its sign is arbitrary.
    """

    bra: int
    ket: int
    vector: NDArray[np.float64]


@dataclass(frozen=True)
class Response:
    """A converged calculation of excited states.

    Parameters
    ----------
    program, version : str
        ``"escf"`` or ``"egrad"``.
    method : {"RPA", "TDA"}
        Full linear response, or the Tamm-Dancoff approximation.
    reference : {"restricted", "unrestricted"}
    atoms : Atoms
    functional : Functional or None
        None for Hartree-Fock.
    ground_energy : float
        Total energy of the ground state [hartree], 10 decimals, from the file ``energy``.
    charge : int
        Of the molecule [e].
    states : tuple of State
        In printed order: representation by representation.
    residual : float
        Largest norm of an excitation's residual.
    coarse : bool
        Converged with the small grid of m grids, with one more step on the large one.
    gradients : tuple of StateGradient
    couplings : tuple of Coupling
    translation_factors : bool
        Whether the couplings hold electron-translation factors.
    """

    program: str
    version: str
    method: Literal["RPA", "TDA"]
    reference: Literal["restricted", "unrestricted"]
    atoms: Atoms
    functional: Functional | None
    ground_energy: float
    charge: int
    states: tuple[State, ...]
    residual: float
    coarse: bool
    gradients: tuple[StateGradient, ...]
    couplings: tuple[Coupling, ...]
    translation_factors: bool

    @property
    def by_energy(self) -> tuple[State, ...]:
        """States of all representations, lowest first; equal ones in printed order."""
        return tuple(sorted(self.states, key=lambda state: state.excitation))


def read_response(text: str, programs: Collection[str] = ("escf", "egrad")) -> Response:
    """Read the log of a response calculation that converged and ended.

    Parameters
    ----------
    text : str
        May hold other programs' output besides.
    programs : collection of str

    Raises
    ------
    Unreadable
        Unless all equations converged and every state is printed in full, with the energy of its eigenvalue.
    """
    section = finished(text, programs)
    _, method = section.only(_METHOD, "its method")
    excitations = _excitations(section)
    ground_energy, charge = _ground(section)
    states = read_states(section)
    _check_states(section, states, excitations, ground_energy)
    atoms = read_atoms(section)
    tables = _tables(section, atoms)
    return Response(
        program=section.program,
        version=section.version,
        method="RPA" if method[1] == "RPA" else "TDA",
        reference="unrestricted" if method[2] == "UHF" else "restricted",
        atoms=atoms,
        functional=read_functional(section),
        ground_energy=ground_energy,
        charge=charge,
        states=states,
        residual=max(root.residual for root in excitations.roots),
        coarse=excitations.coarse,
        gradients=_gradients(section, tables, states),
        couplings=_couplings(section, tables),
        translation_factors=section.find(r"Using electron-translation factors") is not None,
    )


def _excitations(section: Section) -> Solution:
    """The solved eigenvalue problem, with all other equations checked."""
    solutions = read_solutions(section)
    found = [solution for solution in solutions if solution.what == "Eigenvalue"]
    if len(found) != 1:
        message = f"{section.program} should solve one eigenvalue problem, and prints {len(found)}"
        raise Unreadable("crashed", message, [section.lines[0]])
    return found[0]


def _ground(section: Section) -> tuple[float, int]:
    """Energy and charge of the ground state."""
    start, _ = section.only(r"^\s*Ground state\s*$", "its ground state")
    end = section.find(r"^\s*Electric dipole moment:", start)
    _, energy = section.only(r"^\s*Total energy:(.*)$", "the ground state's energy", start, end)
    title, _ = section.only(r"^\s*Charge:\s*$", "the charge", start, end)
    _, _, total = read_floats(section.lines[title + 4], 3)
    if section.find(r"Ground state energy set to zero") is not None:
        message = f"{section.program} found no energy of the ground state, and counts from zero"
        raise Unreadable("crashed", message, section.lines[start : start + 4])
    return read_float(energy[1]), round(total)


def _check_states(section: Section, states: Sequence[State], excitations: Solution, ground: float) -> None:
    printed = [(state.irrep, state.number) for state in states]
    wanted = [(root.irrep, root.number) for root in excitations.roots]
    if printed != wanted:
        message = f"{section.program} solved for {len(wanted)} states and prints {len(printed)}, or others"
        raise Unreadable("crashed", message, [str(printed), str(wanted)])
    for state, root in zip(states, excitations.roots, strict=True):
        if not _agrees(state, root) or abs(ground + state.excitation - state.energy) > 1e-9:
            message = f"energies of state {state.number} {state.irrep} contradict each other"
            if root.eigenvalue <= 0 or state.excitation <= 0:
                message = (
                    f"the ground state isn't stable: eigenvalue {root.eigenvalue} of state {state.number} {state.irrep}"
                )
                raise Unreadable("unconverged", message, [str(root)])
            raise Unreadable("crashed", message, [str(root), str(state)])


def _agrees(state: State, root: Root) -> bool:
    """An eigenvalue is the excitation energy or, for functionals without exchange, its square."""
    energy = state.excitation
    return energy > 0 and min(abs(energy - root.eigenvalue), abs(energy**2 - root.eigenvalue)) <= 1e-10 * max(1, energy)


def _tables(section: Section, atoms: Atoms) -> tuple[Vectors, ...]:
    tables = read_vectors(section)
    for table in tables:
        if table.symbols != atoms.symbols:
            message = f"a table of {section.program} is of other atoms than its coordinates"
            raise Unreadable("crashed", message, [" ".join(table.symbols), " ".join(atoms.symbols)])
    return tables


def _gradients(section: Section, tables: Sequence[Vectors], states: Sequence[State]) -> tuple[StateGradient, ...]:
    """Tables whose title has no state are of the chosen one."""
    found = [table for table in tables if table.kind != "coupling"]
    if section.program != "egrad":
        if tables:
            raise Unreadable("crashed", f"{section.program} should print no gradients, and does", [section.lines[0]])
        return ()
    chosen = _chosen(section)
    numbers = [number for table in found for number in (table.states or chosen)]
    irreps = {state.irrep for state in states}
    if numbers != list(chosen) or len(irreps) != 1 or not set(numbers) <= {state.number for state in states}:
        message = f"gradients of states {list(chosen)} were chosen, found those of {numbers}, in {sorted(irreps)}"
        raise Unreadable("crashed", message, [section.lines[0]])
    return tuple(
        StateGradient(number, irrep, table.values)
        for irrep in irreps
        for number, table in zip(numbers, found, strict=True)
    )


def _chosen(section: Section) -> tuple[int, ...]:
    """States whose gradients the program says that it computes."""
    several = [match for _, match in section.matches(r"(\d+) excited states specified in \$exopt:([\d\s]+)$")]
    single = [match for _, match in section.matches(r"Excited state no\.\s+(\d+)\s+chosen for optimization")]
    default = [match for _, match in section.matches(r"Default for state to be optimized is\s+(\d+)")]
    if several:
        numbers = tuple(map(int, several[0][2].split()))
        complete = len(several) == 1 and not single and len(numbers) == int(several[0][1])
    else:
        found = single or default
        numbers = tuple(int(match[1]) for match in found)
        complete = len(found) == 1
    if not complete:
        message = f"{section.program} doesn't say clearly which states' gradients it computes"
        raise Unreadable("crashed", message, [match[0] for match in (*several, *single, *default)])
    return numbers


def _couplings(section: Section, tables: Sequence[Vectors]) -> tuple[Coupling, ...]:
    """A table without its two states couples the ground state with the chosen one."""
    found = []
    for table in tables:
        if table.kind != "coupling":
            continue
        pair = table.states or (0, *_chosen(section))
        if len(pair) != 2:
            raise Unreadable("crashed", f"{section.program} doesn't say which states it couples", [section.lines[0]])
        if not table.states and not section.find(re.escape("such that <0|d/dx|n> is now computed")):
            raise Unreadable("crashed", f"the sign of {section.program}'s coupling is not known", [section.lines[0]])
        found.append(Coupling(*pair, table.values))
    return tuple(found)
