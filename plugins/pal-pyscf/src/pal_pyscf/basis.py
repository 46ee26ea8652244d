"""Basis sets and effective core potentials, element by element."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, NamedTuple

from pal_core.kernels import OracleFailure
from pyscf import gto
from pyscf.lib.exceptions import BasisNotFoundError

from pal_ase.electronic_options import PerElement, of_element
from pal_ase.elements import SYMBOLS
from pal_ase.inspection import refusal

__all__ = ["Shells", "shells"]

_KRYPTON = 36


class Shells(NamedTuple):
    """What an element gets, in PySCF's internal format; `core` electrons are in the potential."""

    basis: list[Any]
    ecp: list[Any]
    core: int


@lru_cache(maxsize=256)
def _shells(basis: str, ecp: str, number: int) -> Shells:
    symbol = SYMBOLS[number]
    if Path(basis).is_file() or Path(ecp).is_file():
        raise refusal(f"basis {basis!r} or ecp {ecp!r} is a file here; PySCF would read it instead of the set")
    found = _load(gto.basis.load, basis, number)
    if not found:
        raise refusal(f"there is no basis set {basis!r} for {symbol} (option basis)")
    if ecp == "none":
        return Shells(found, [], 0)
    potential = _load(gto.basis.load_ecp, basis if ecp == "auto" else ecp, number)
    if not potential and ecp != "auto":
        raise refusal(f"there is no effective core potential {ecp!r} for {symbol} (option ecp)")
    if not potential and number > _KRYPTON:
        raise refusal(
            f"basis set {basis!r} has no effective core potential for {symbol}: name one, or ask for all electrons "
            '(option ecp = "none")'
        )
    return Shells(found, potential, int(potential[0]) if potential else 0)


def _load(load: Any, name: str, number: int) -> list[Any]:
    """What PySCF or the Basis Set Exchange has; empty if neither has it."""
    # The dhf sets were made for rubidium to radon; lighter elements have those of the def2 family (F. Weigend,
    # A. Baldes, J. Chem. Phys. 133, 174102, 2010). Turbomole's library does the same.
    if name.lower().startswith("dhf-") and number <= _KRYPTON:
        name = "def2-" + name[4:]
    try:
        found: list[Any] = load(name, SYMBOLS[number])
    except (BasisNotFoundError, KeyError):
        return []
    return found


def shells(basis: PerElement, ecp: PerElement, number: int) -> Shells:
    """Basis set and effective core potential of an element.

    Parameters
    ----------
    basis, ecp : str or dict
        The options.
    number : int
        Atomic number.

    Raises
    ------
    OracleFailure
        Of kind ``invalid_input``, if there is none, or if the element is heavy and would get none silently.
    """
    symbol = SYMBOLS[number]
    name = of_element(basis, symbol)
    if name is None:
        raise refusal(f'option basis has neither {symbol} nor "default"')
    try:
        return _shells(name, of_element(ecp, symbol) or "auto", number)
    except (OracleFailure, MemoryError):
        raise
    except Exception as error:
        raise refusal(f"basis set {name!r} of {symbol} can't be read: {type(error).__name__}: {error}") from error
