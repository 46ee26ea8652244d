"""From samples to PySCF's molecules."""

from __future__ import annotations

import io

import numpy as np
from ase.units import Bohr
from pal_core.kernels import Sample
from pyscf import gto

from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.inspection import check_cell, check_electrons, check_elements, check_positions, check_spin, refusal
from pal_pyscf.basis import Shells, shells
from pal_pyscf.options import PyscfOptions

__all__ = ["check_sample", "molecule"]

_INFO = 4  # PySCF's verbosity at which it prints every SCF cycle
# Below, PySCF removes combinations of basis functions; energies then jump from one geometry to the next.
_DEPENDENT = 1e-6


def check_sample(sample: Sample, options: PyscfOptions) -> dict[int, Shells]:
    """Refuse what no attempt could label; returns basis sets by atomic number.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input``.
    """
    numbers = np.asarray(sample["numbers"])
    check_elements(numbers, ELEMENTS - 1, "PySCF")
    check_cell(sample, "these oracles label molecules only")
    check_positions(sample, options.closest)
    sets = {int(z): shells(options.basis, options.ecp, int(z)) for z in np.unique(numbers)}
    charge, multiplicity = int(sample["charge"]), int(sample["multiplicity"])
    check_electrons(charge, multiplicity, sum(int(z) - sets[int(z)].core for z in numbers) - charge)
    check_spin(options.reference, multiplicity)
    return sets


def molecule(sample: Sample, options: PyscfOptions, log: io.StringIO) -> gto.Mole:
    """PySCF's molecule of a sample, which writes to `log`.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input``, also if the electrons don't fit into the basis or this is linearly dependent.
    """
    sets = check_sample(sample, options)
    mole = gto.Mole()
    mole.stdout = log
    mole.verbose = _INFO
    positions = np.asarray(sample["positions"], np.float64) / Bohr
    symbols = [SYMBOLS[int(z)] for z in np.asarray(sample["numbers"])]
    mole.build(
        dump_input=False,
        parse_arg=False,
        atom=list(zip(symbols, positions.tolist(), strict=True)),
        unit="Bohr",
        basis={SYMBOLS[z]: s.basis for z, s in sets.items()},
        ecp={SYMBOLS[z]: s.ecp for z, s in sets.items() if s.ecp},
        charge=int(sample["charge"]),
        spin=int(sample["multiplicity"]) - 1,
        cart=False,
        symmetry=False,
        max_memory=options.memory,
    )
    _check_room(mole)
    return mole


def _check_room(mole: gto.Mole) -> None:
    alpha = max(mole.nelec)
    if alpha > mole.nao:
        raise refusal(
            f"multiplicity {mole.multiplicity} leaves no room for {alpha} electrons of one spin in {mole.nao} functions"
        )
    smallest = float(np.linalg.eigvalsh(mole.intor_symmetric("int1e_ovlp"))[0])
    if not smallest > _DEPENDENT:
        raise refusal(
            f"the basis set is linearly dependent at this geometry: smallest eigenvalue of the overlap {smallest:.1e}, "
            f"more than {_DEPENDENT:.0e} is wanted; take a smaller basis set, or exclude the geometry (option closest)"
        )
