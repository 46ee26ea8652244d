"""What define made of a composition, checked, and kept for the next geometries of the same atoms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pal_core.kernels import OracleFailure, Sample

from pal_ase.elements import SYMBOLS
from pal_ase.inspection import refusal
from pal_turbomole.control import atoms, control_text, only, shells
from pal_turbomole.coordinates import Geometry
from pal_turbomole.define import Request
from pal_turbomole.names import LIGHT, basis_of, ecp_of
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import Group, Groups, read_groups
from pal_turbomole.running import evidence

__all__ = ["ORBITALS", "Setup", "read", "request"]

ORBITALS = ("mos", "alpha", "beta")
"""Files with orbitals: of a closed shell, and of each spin."""
_FILES = ("basis", "auxbasis", *ORBITALS)
_MOLECULE = (
    *("title", "symmetry", "coord", "atoms", "basis", "ecp", "jbas", "jkbas", "rij", "rik", "rundimensions"),
    *("scfmo", "uhf", "uhfmo_alpha", "uhfmo_beta", "closed shells", "alpha shells", "beta shells"),
)
"""Groups of define's control file that are used."""
_FITTING = {"none": None, "coulomb": ("rij", "jbas"), "coulomb-exchange": ("rik", "jkbas")}
"""Group that switches density fitting on, and attribute of atoms that it needs."""
_SHELLS = ("uhf", "closed shells", "open shells", "alpha shells", "beta shells")
_CORE = re.compile(r"^\s*ncore\s*=\s*(\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Setup:
    """Input of a composition, charge and multiplicity, but for geometry and method.

    Parameters
    ----------
    groups : Groups
        Those of the control file that describe the molecule.
    files : mapping of str to bytes
        Basis sets and orbitals of the extended Hückel guess.
    electrons : int
        Those that are treated, without those that core potentials stand for.
    """

    groups: Groups
    files: Mapping[str, bytes]
    electrons: int

    @property
    def unrestricted(self) -> bool:
        """Whether the reference is unrestricted."""
        return self.groups.find("uhf") is not None

    def write(self, folder: Path, method: list[Group], orbitals: Mapping[str, bytes] | None) -> None:
        """Write control file, basis sets and start orbitals.

        Parameters
        ----------
        folder : Path
        method : list of Group
            Other groups of the control file.
        orbitals : mapping of str to bytes, optional
            Files of orbitals instead of those of the extended Hückel guess.
        """
        (folder / "control").write_text(control_text([*self.groups.all, *method]))
        for name, content in {**self.files, **(orbitals or {})}.items():
            (folder / name).write_bytes(content)


def request(options: DftOptions | TddftOptions, sample: Sample) -> Request:
    """What define is to be asked for a sample.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input`` if the options have no basis set for an element.
    """
    elements = sorted(set(Geometry.of(sample).elements))
    basis = {e: basis_of(options, e) for e in elements}
    missing = [e.capitalize() for e, name in basis.items() if name is None]
    if missing:
        raise refusal(f"there is no basis set for {', '.join(missing)} (option basis)")
    multiplicity = int(sample["multiplicity"])
    closed = multiplicity == 1 and options.reference != "unrestricted"
    return Request(
        atoms=len(sample["numbers"]),
        basis={e: name for e, name in basis.items() if name is not None},
        ecp={e: ecp_of(options, e) for e in elements},
        charge=int(sample["charge"]),
        unpaired=None if closed else multiplicity - 1,
        fitting=options.density_fitting,
    )


def read(folder: Path, sample: Sample, asked: Request) -> Setup:
    """Read what define left in a folder, and check that it is what it was asked for.

    Raises
    ------
    OracleFailure
    """
    try:
        text = (folder / "control").read_text(errors="replace")
        groups = read_groups(text)
        found = atoms(groups)
    except (OSError, Unreadable, ValueError) as e:
        raise OracleFailure("crashed", f"define left no control file that can be read: {e}") from e
    files = {name: (folder / name).read_bytes() for name in _FILES if (folder / name).is_file()}
    _check_symmetry(groups)
    cores = _check_atoms(found, files.get("basis", b"").decode(errors="replace"), sample, asked)
    electrons = int(np.asarray(sample["numbers"]).sum()) - cores - asked.charge
    _check_occupation(groups, asked, electrons)
    fitting = _FITTING[asked.fitting]
    if fitting is not None and groups.find(fitting[0]) is None:
        raise OracleFailure("crashed", f"define did not switch density fitting on: there is no ${fitting[0]}")
    kept = ("alpha", "beta") if asked.unpaired is not None else ("mos",)
    missing = [name for name in ("basis", *kept) if name not in files]
    if missing:
        raise OracleFailure("crashed", f"define left no file {' and '.join(missing)}", evidence(text))
    return Setup(only(groups, _MOLECULE), files, electrons)


def _check_symmetry(groups: Groups) -> None:
    symmetry = groups.find("symmetry")
    if symmetry is None or symmetry.title.split()[-1].lower() != "c1":
        found = symmetry.title if symmetry else "no $symmetry"
        raise OracleFailure("crashed", f"define's control file has {found}, symmetry c1 is wanted")


def _check_atoms(atoms: list[Mapping[str, str]], basis: str, sample: Sample, asked: Request) -> int:
    """Compare ``$atoms`` with what was asked for; returns the electrons in core potentials."""
    wanted = Geometry.of(sample).elements
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


def _check_occupation(groups: Groups, asked: Request, electrons: int) -> None:
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
