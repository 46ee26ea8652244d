"""Whether results are those that were asked for: the geometry, the electrons, the method, the state."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure, Sample

from pal_turbomole.coordinates import Geometry
from pal_turbomole.groups import GRIDS
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.functional import Functional
from pal_turbomole.reading.geometry import Atoms, check_same
from pal_turbomole.reading.gradient import GradientLog
from pal_turbomole.reading.response import Response
from pal_turbomole.reading.scf import Scf

__all__ = ["check_gradient", "check_response", "check_same_gradient", "check_scf"]

_VWN = {"b3lyp-vwn5": "V", "svwn5": "V", "bp86-vwn5": "V", "b3lyp-gaussian": "III"}
_FALLBACK = "B-P86 functional"
"""What Turbomole takes where it doesn't know a functional."""


def check_scf(scf: Scf, geometry: Geometry, sample: Sample, options: DftOptions | TddftOptions) -> None:
    """Compare a converged SCF with what was asked for.

    Raises
    ------
    OracleFailure
        Of kind ``crashed``.
    """
    _check_geometry(scf.program, scf.atoms, geometry)
    charge, unpaired = int(sample["charge"]), int(sample["multiplicity"]) - 1
    unrestricted = options.reference == "unrestricted" or unpaired > 0
    wanted = (charge, unpaired, unrestricted)
    found = (scf.charge, scf.unpaired, scf.unrestricted)
    if found != wanted:
        raise _other(scf.program, "charge, unpaired electrons and unrestricted", wanted, found)
    _check_functional(scf.program, scf.functional, options)
    if options.dispersion == "d3bj" and scf.dispersion_energy is None:
        raise OracleFailure("crashed", f"{scf.program} reports no energy of dispersion, asked for was D3(BJ)")


def _check_functional(program: str, found: Functional | None, options: DftOptions | TddftOptions) -> None:
    if (found is None) != (options.functional == "hf"):
        raise _other(program, "functional", options.functional, "none" if found is None else found.lines)
    if found is None:
        return
    if found.grid != GRIDS[options.grid]:
        raise _other(program, "grid", GRIDS[options.grid], found.grid)
    if options.functional_lines:
        return
    fallen = bool(found.lines) and found.lines[0] == _FALLBACK and options.functional != "bp86-vwn5"
    vwn = _VWN.get(options.functional)
    if fallen or (vwn is not None and found.vwn is not None and found.vwn != vwn):
        raise _other(program, "functional", options.functional, "; ".join(found.lines))


def check_response(response: Response, geometry: Geometry, scf: Scf, options: TddftOptions) -> None:
    """Compare excited states with what was asked for, and with the SCF before.

    Raises
    ------
    OracleFailure
        Of kind ``crashed``.
    """
    name = response.program
    _check_geometry(name, response.atoms, geometry)
    if abs(response.ground_energy - scf.energy) > 1e-8:
        raise _other(name, "energy of the ground state [hartree]", scf.energy, response.ground_energy)
    method = {"tddft": "RPA", "tda": "TDA"}[options.response]
    reference = "unrestricted" if scf.unrestricted else "restricted"
    spin = None if scf.unrestricted else {"singlet": 1, "triplet": 3}[options.spin]
    wanted = (method, reference, scf.charge)
    found = (response.method, response.reference, response.charge)
    if found != wanted:
        raise _other(name, "method, reference and charge", wanted, found)
    _check_functional(name, response.functional, options)
    numbers = [(s.irrep, s.number, s.multiplicity) for s in response.by_energy]
    if numbers != [("a", n, spin) for n in range(1, options.states + 1)]:
        text = f"states 1 to {options.states} of irrep a in order of energy, multiplicity {spin}"
        raise _other(name, "states", text, numbers)


def check_gradient(log: GradientLog, file: NDArray[np.float64], geometry: Geometry) -> None:
    """Compare a gradient in file and log; the file's geometry has been compared by its reader.

    Raises
    ------
    OracleFailure
        Of kind ``crashed``.
    """
    if log.atoms is not None:
        _check_geometry(log.program, log.atoms, geometry)
    check_same_gradient(log.program, file, log.gradient)


def check_same_gradient(program: str, file: NDArray[np.float64], log: NDArray[np.float64]) -> None:
    """Compare the gradient file with what a program printed.

    Raises
    ------
    OracleFailure
        Of kind ``crashed``.
    """
    if file.shape != log.shape or not np.allclose(file, log, rtol=1e-5, atol=1e-8):
        text = f"the gradient file isn't what {program} printed: norms {np.linalg.norm(file):.6g} and "
        raise OracleFailure("crashed", f"{text}{np.linalg.norm(log):.6g} hartree/bohr")


def _check_geometry(program: str, atoms: Atoms, geometry: Geometry) -> None:
    try:
        check_same(atoms.symbols, atoms.positions, geometry.elements, geometry.positions, what=f"{program}'s output")
    except Unreadable as e:
        raise OracleFailure(e.kind, e.message, e.evidence) from e


def _other(program: str, what: str, wanted: object, found: object) -> OracleFailure:
    return OracleFailure("crashed", f"{program} computed something else: {what} are {found}, asked for were {wanted}")
