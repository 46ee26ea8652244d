"""Whether define did what it was asked for."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from pal_core.kernels import OracleFailure

from pal_ase.elements import SYMBOLS
from pal_ase.inspection import refusal
from pal_turbomole.control import control_text, only, shells
from pal_turbomole.coordinates import Geometry
from pal_turbomole.define import Request
from pal_turbomole.names import LIGHT
from pal_turbomole.reading.files import Groups

__all__ = ["check_atoms", "check_occupation", "check_switches"]

_FITTING = {"none": None, "coulomb": ("rij", "jbas"), "coulomb-exchange": ("rik", "jkbas")}
"""Group that switches density fitting on, and attribute of atoms that it needs."""
_SHELLS = ("uhf", "closed shells", "open shells", "alpha shells", "beta shells")
_CORE = re.compile(r"^\s*ncore\s*=\s*(\d+)", re.MULTILINE)


def check_switches(groups: Groups, asked: Request) -> None:
    """Symmetry must be C1, and density fitting as it was asked for.

    Raises
    ------
    OracleFailure
    """
    symmetry = groups.find("symmetry")
    if symmetry is None or symmetry.title.split()[-1].lower() != "c1":
        found = symmetry.title if symmetry else "no $symmetry"
        raise OracleFailure("crashed", f"define's control file has {found}, symmetry c1 is wanted")
    fitting = _FITTING[asked.fitting]
    if fitting is not None and groups.find(fitting[0]) is None:
        raise OracleFailure("crashed", f"define did not switch density fitting on: there is no ${fitting[0]}")


def check_atoms(atoms: Sequence[Mapping[str, str]], basis: str, geometry: Geometry, asked: Request) -> int:
    """Compare ``$atoms`` with what was asked for.

    Parameters
    ----------
    atoms : sequence of mapping of str to str
        Attributes of each atom, from `pal_turbomole.control.atoms`.
    basis : str
        The file with basis sets and core potentials.
    geometry : Geometry
    asked : Request

    Returns
    -------
    int
        Electrons that core potentials stand for.

    Raises
    ------
    OracleFailure
    """
    wanted = geometry.elements
    if tuple(a.get("element") for a in atoms) != wanted:
        found = " ".join(a.get("element", "?") for a in atoms)
        raise OracleFailure("crashed", f"define's control file has atoms {found}, wanted are {' '.join(wanted)}")
    by_element = {element: attributes for attributes, element in zip(atoms, wanted, strict=True)}
    cores = {}
    for element, attributes in by_element.items():
        _check_basis(element, attributes, asked)
        cores[element] = _core(attributes.get("ecp"), basis)
    return sum(cores[e] * n for e, n in Counter(wanted).items())


def _check_basis(element: str, found: Mapping[str, str], asked: Request) -> None:
    wanted = f"{element} {asked.basis[element]}"
    if found.get("basis") != wanted:
        text = f"define assigned the basis set {found.get('basis')!r}, asked for was {wanted!r}"
        raise OracleFailure("crashed", text)
    ecp, name = found.get("ecp"), asked.ecp[element]
    if name == "none" and ecp is not None:
        raise OracleFailure("crashed", f"define kept the core potential {ecp!r}, which was to be removed")
    if name not in (None, "none") and ecp != f"{element} {name}":
        raise OracleFailure("crashed", f"define assigned the core potential {ecp!r}, asked for was {element} {name}")
    if name is None and ecp is None and SYMBOLS.index(element.capitalize()) > LIGHT:
        raise refusal(
            f'Turbomole\'s basis set {wanted!r} has no core potential; name one, or say ecp = "none" for all electrons'
        )
    fitting = _FITTING[asked.fitting]
    if fitting is not None and fitting[1] not in found:
        raise OracleFailure("crashed", f"define assigned no {fitting[1]} to {element}, which density fitting needs")


def _core(ecp: str | None, basis: str) -> int:
    """Electrons that a core potential stands for, as the file with basis sets says."""
    if ecp is None:
        return 0
    place = re.search(rf"^\s*{re.escape(ecp)}\s*$", basis[basis.find("$ecp") :], re.MULTILINE)
    number = _CORE.search(basis[basis.find("$ecp") :], place.end()) if place else None
    if number is None:
        raise OracleFailure("crashed", f"define's file basis doesn't say how many electrons {ecp!r} stands for")
    return int(number[1])


def check_occupation(groups: Groups, asked: Request, electrons: int) -> None:
    """Compare the number of occupied orbitals with that of electrons, and the kind of reference.

    Raises
    ------
    OracleFailure
    """
    if asked.unpaired is None:
        found = {"closed": shells(groups, "closed shells"), "alpha": 0, "beta": 0}
        wanted = {"closed": electrons // 2, "alpha": 0, "beta": 0}
    else:
        beta = (electrons - asked.unpaired) // 2
        wanted = {"closed": 0, "alpha": beta + asked.unpaired, "beta": beta}
        found = {"closed": 0, "alpha": shells(groups, "alpha shells"), "beta": shells(groups, "beta shells")}
    unrestricted = groups.find("uhf") is not None
    if found != wanted or groups.find("open shells") is not None or unrestricted != (asked.unpaired is not None):
        text = f"define occupied {_spelled(found)} orbitals, wanted are {_spelled(wanted)}"
        raise OracleFailure("crashed", text, control_text(only(groups, _SHELLS).all))


def _spelled(counts: Mapping[str, int]) -> str:
    return " and ".join(f"{n} {kind}" for kind, n in counts.items() if n) or "no"
