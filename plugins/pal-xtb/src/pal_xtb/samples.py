"""What any xTB oracle can label: elements, electrons, geometry. Light."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Sample

from pal_ase import elements
from pal_ase.inspection import check_cell, check_electrons, check_elements, check_positions

__all__ = ["HEAVIEST", "SYMBOLS", "check_sample", "electrons", "unpaired"]

HEAVIEST = 86
"""Largest atomic number with parameters: radon, in GFN1 as in GFN2."""
SYMBOLS = tuple(elements.SYMBOLS[: HEAVIEST + 1])
"""Element symbols by atomic number."""

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
    check_elements(np.asarray(sample["numbers"]), HEAVIEST, "xTB")
    check_cell(sample, molecules_only)
    check_positions(sample, closest)
    check_electrons(int(sample["charge"]), int(sample["multiplicity"]), electrons(sample), "valence electrons")
