"""What define made of a composition, checked, and kept for the next geometries of the same atoms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from pal_core.kernels import OracleFailure, Sample

from pal_ase.inspection import refusal
from pal_turbomole.control import atoms, control_text, only
from pal_turbomole.coordinates import Geometry
from pal_turbomole.define import Request
from pal_turbomole.names import basis_of, ecp_of
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.files import Group, Groups, read_groups
from pal_turbomole.running import evidence
from pal_turbomole.verifying import check_atoms, check_occupation, check_switches

__all__ = ["ORBITALS", "Setup", "read", "request"]

ORBITALS = ("mos", "alpha", "beta")
"""Files with orbitals: of a closed shell, and of each spin."""
_FILES = ("basis", "auxbasis", *ORBITALS)
_MOLECULE = (
    *("title", "symmetry", "coord", "atoms", "basis", "ecp", "jbas", "jkbas", "rij", "rik", "rundimensions"),
    *("scfmo", "uhf", "uhfmo_alpha", "uhfmo_beta", "closed shells", "alpha shells", "beta shells"),
)
"""Groups of define's control file that are used."""


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
    check_switches(groups, asked)
    cores = check_atoms(found, files.get("basis", b"").decode(errors="replace"), Geometry.of(sample), asked)
    electrons = int(np.asarray(sample["numbers"]).sum()) - cores - asked.charge
    check_occupation(groups, asked, electrons)
    kept = ("alpha", "beta") if asked.unpaired is not None else ("mos",)
    missing = [name for name in ("basis", *kept) if name not in files]
    if missing:
        raise OracleFailure("crashed", f"define left no file {' and '.join(missing)}", evidence(text))
    return Setup(only(groups, _MOLECULE), files, electrons)
