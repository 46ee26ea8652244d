"""What any xTB oracle can label: elements, electrons, geometry. Needs NumPy only."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import OracleFailure, Sample

__all__ = ["HEAVIEST", "SYMBOLS", "check_sample", "electrons", "unpaired"]

_SYMBOLS = (
    "X H He Li Be B C N O F Ne Na Mg Al Si P S Cl Ar K Ca Sc Ti V Cr Mn Fe Co Ni Cu Zn Ga Ge As Se Br Kr "
    "Rb Sr Y Zr Nb Mo Tc Ru Rh Pd Ag Cd In Sn Sb Te I Xe Cs Ba La Ce Pr Nd Pm Sm Eu Gd Tb Dy Ho Er Tm Yb Lu "
    "Hf Ta W Re Os Ir Pt Au Hg Tl Pb Bi Po At Rn"
)
SYMBOLS = tuple(_SYMBOLS.split())
"""Element symbols by atomic number."""
HEAVIEST = len(SYMBOLS) - 1
"""Largest atomic number with parameters: radon, in GFN1 as in GFN2."""

# (last atomic number, electrons that the method leaves out). Zinc's, cadmium's and mercury's d shells are core; so is
# 4f: every lanthanide has three electrons (Bannwarth et al., J. Chem. Theory Comput. 15, 1652, 2019, section 2).
_CORES = ((2, 0), (10, 2), (18, 10), (29, 18), (36, 28), (47, 36), (54, 46), (57, 54), (71, None), (79, 68), (86, 78))


def _valence_by_element() -> NDArray[np.int64]:
    out = np.zeros(HEAVIEST + 1, np.int64)
    first = 1
    for last, core in _CORES:
        z = np.arange(first, last + 1)
        out[z] = 3 if core is None else z - core
        first = last + 1
    return out


_VALENCE = _valence_by_element()


def electrons(sample: Sample) -> int:
    """Number of electrons that xTB treats: valence electrons less the charge."""
    return int(_VALENCE[np.asarray(sample["numbers"])].sum()) - int(sample["charge"])


def unpaired(sample: Sample) -> int:
    """Number of unpaired electrons, multiplicity - 1."""
    return int(sample["multiplicity"]) - 1


def check_sample(sample: Sample, *, closest: float, molecules_only: str = "") -> None:
    """Refuse what no attempt could label.

    Parameters
    ----------
    sample : mapping
        Fields of `pal_ase.schema.SAMPLE`.
    closest : float
        Smallest distance between two atoms [Å].
    molecules_only : str
        Why periodic samples aren't welcome; empty if they are.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input``, naming the atom, number or field at fault.
    """
    _check_elements(np.asarray(sample["numbers"]))
    _check_cell(sample, molecules_only)
    _check_positions(sample, closest)
    _check_electrons(sample)


def _refuse(message: str) -> OracleFailure:
    return OracleFailure("invalid_input", message)


def _check_elements(numbers: NDArray[Any]) -> None:
    if len(numbers) == 0:
        raise _refuse("the sample has no atoms")
    wrong = np.flatnonzero((numbers < 1) | (numbers > HEAVIEST))
    if len(wrong):
        i = int(wrong[0])
        raise _refuse(f"atom {i} has atomic number {int(numbers[i])}; xTB has parameters for 1 (H) to {HEAVIEST} (Rn)")


def _check_cell(sample: Sample, molecules_only: str) -> None:
    pbc = np.asarray(sample["pbc"])
    if not pbc.any():
        return
    if molecules_only:
        raise _refuse(f"the sample is periodic (pbc = {pbc.tolist()}), but {molecules_only}")
    if not pbc.all():
        raise _refuse(f"pbc = {pbc.tolist()}: periodic in all three directions or in none is wanted")
    cell = np.asarray(sample["cell"], np.float64)
    if not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-3:
        raise _refuse(f"the sample is periodic, but its cell has no volume: {cell.tolist()} Å")


def _check_positions(sample: Sample, closest: float) -> None:
    positions = np.asarray(sample["positions"], np.float64)
    wrong = np.flatnonzero(~np.isfinite(positions).all(axis=1))
    if len(wrong):
        raise _refuse(f"atom {int(wrong[0])} is at {positions[wrong[0]].tolist()} Å, finite numbers are wanted")
    i, j, distance = _nearest(positions, np.asarray(sample["cell"]) if np.asarray(sample["pbc"]).all() else None)
    if distance < closest:
        names = "-".join(SYMBOLS[int(sample["numbers"][k])] for k in (i, j))
        raise _refuse(
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


def _check_electrons(sample: Sample) -> None:
    charge, multiplicity, count = int(sample["charge"]), int(sample["multiplicity"]), electrons(sample)
    found = f"charge {charge} and multiplicity {multiplicity} with {count} valence electrons"
    if multiplicity < 1:
        raise _refuse(f"multiplicity is {multiplicity}, 1 or more is wanted")
    if count < 0:
        raise _refuse(f"charge {charge} takes {-count} more electrons than the valence shells have")
    if multiplicity - 1 > count:
        raise _refuse(f"{found}: multiplicity {count + 1} is the highest")
    if (count - multiplicity) % 2 == 0:
        raise _refuse(
            f"{found}: an {'odd' if count % 2 else 'even'} number of electrons needs an "
            f"{'even' if count % 2 else 'odd'} multiplicity"
        )
