"""What no quantum-chemical oracle can label: elements, cells, geometries, electron counts. Light.

Each function raises an `OracleFailure` of kind ``invalid_input`` that names the atom, number or field at fault.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure, Sample

from pal_ase.elements import SYMBOLS

__all__ = [
    "check_cell",
    "check_electrons",
    "check_elements",
    "check_positions",
    "check_spin",
    "check_states_spin",
    "refusal",
]


def refusal(message: str) -> OracleFailure:
    """The failure of a sample that no attempt could label."""
    return OracleFailure("invalid_input", message)


def check_elements(numbers: NDArray[Any], heaviest: int, who: str) -> None:
    """Refuse no atoms, and atomic numbers beyond `heaviest`.

    Parameters
    ----------
    numbers : ndarray of int, shape (atoms,)
    heaviest : int
        Largest atomic number that is known.
    who : str
        Subject of "... has parameters for 1 (H) to 86 (Rn)".
    """
    if len(numbers) == 0:
        raise refusal("the sample has no atoms")
    wrong = np.flatnonzero((numbers < 1) | (numbers > heaviest))
    if len(wrong):
        i = int(wrong[0])
        known = f"1 (H) to {heaviest} ({SYMBOLS[heaviest]})"
        raise refusal(f"atom {i} has atomic number {int(numbers[i])}; {who} has parameters for {known}")


def check_cell(sample: Sample, molecules_only: str = "") -> None:
    """Refuse cells that are periodic in part or have no volume.

    Parameters
    ----------
    sample : mapping
        Fields of `pal_ase.schema.SAMPLE`.
    molecules_only : str
        Why periodic samples aren't welcome; empty if they are.
    """
    pbc = np.asarray(sample["pbc"])
    if not pbc.any():
        return
    if molecules_only:
        raise refusal(f"the sample is periodic (pbc = {pbc.tolist()}), but {molecules_only}")
    if not pbc.all():
        raise refusal(f"pbc = {pbc.tolist()}: periodic in all three directions or in none is wanted")
    cell = np.asarray(sample["cell"], np.float64)
    if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-3:
        raise refusal(f"the sample is periodic, but its cell has no volume: {cell.tolist()} Å")


def check_positions(sample: Sample, closest: float) -> None:
    """Refuse positions that aren't finite, and two atoms closer than `closest` [Å]."""
    positions = np.asarray(sample["positions"], np.float64)
    wrong = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(wrong):
        raise refusal(f"atom {int(wrong[0])} is at {positions[wrong[0]].tolist()} Å, finite numbers are wanted")
    i, j, distance = _nearest(positions, np.asarray(sample["cell"]) if np.asarray(sample["pbc"]).all() else None)
    if distance < closest:
        names = "-".join(SYMBOLS[int(sample["numbers"][k])] for k in (i, j))
        raise refusal(
            f"atoms {i} and {j} ({names}) are {distance:.3g} Å apart, {closest:g} Å are wanted (option closest)"
        )


def _nearest(positions: NDArray[np.float64], cell: NDArray[np.float64] | None) -> tuple[int, int, float]:
    """Nearest pair of atoms and its distance [Å]; infinite for one atom."""
    i, j = np.triu_indices(len(positions), 1)
    if len(i) == 0:
        return 0, 0, np.inf
    vectors = positions[i] - positions[j]
    if cell is not None:
        # Rounding finds the nearest image whenever the distance is far below the cell's width, as `closest` is.
        fractional = vectors @ np.linalg.inv(cell)
        vectors = (fractional - np.round(fractional)) @ cell
    squares = np.einsum("ij,ij->i", vectors, vectors)
    k = int(np.argmin(squares))
    return int(i[k]), int(j[k]), float(np.sqrt(squares[k]))


def check_electrons(charge: int, multiplicity: int, count: int, kind: str = "electrons") -> None:
    """Refuse a multiplicity that `count` electrons can't have.

    Parameters
    ----------
    charge, multiplicity : int
        The sample's.
    count : int
        Electrons that are treated; negative if the charge takes more than there are.
    kind : str
        What they are called.
    """
    found = f"charge {charge} and multiplicity {multiplicity} with {count} {kind}"
    if multiplicity < 1:
        raise refusal(f"multiplicity is {multiplicity}, 1 or more is wanted")
    if count < 0:
        raise refusal(f"charge {charge} takes {-count} more electrons than there are {kind}")
    if multiplicity - 1 > count:
        raise refusal(f"{found}: multiplicity {count + 1} is the highest")
    if (count - multiplicity) % 2 == 0:
        raise refusal(
            f"{found}: an {'odd' if count % 2 else 'even'} number of electrons needs an "
            f"{'even' if count % 2 else 'odd'} multiplicity"
        )


def check_spin(reference: str, multiplicity: int) -> None:
    """Refuse what isn't a singlet where the option `reference` is ``"restricted"``."""
    if reference == "restricted" and multiplicity != 1:
        raise refusal(f"multiplicity {multiplicity} needs another reference than restricted (option reference)")


def check_states_spin(spin: str, multiplicity: int) -> None:
    """Refuse triplet states of what isn't a singlet: its reference is unrestricted, and its states are others."""
    if spin == "triplet" and multiplicity != 1:
        raise refusal(f"triplet states are those of a restricted singlet; multiplicity is {multiplicity}")
