"""Turbomole's names for basis sets and effective core potentials, which are case-sensitive. Light."""

from __future__ import annotations

import re

from pal_ase.electronic_options import ElectronicOptions, of_element
from pal_ase.elements import SYMBOLS

__all__ = ["LIGHT", "basis_of", "ecp_of"]

LIGHT = 36
"""Krypton: heavier elements have effective core potentials in the def2 and dhf families."""

_KARLSRUHE = re.compile(r"(def2|dhf|def)-(m?[sqtd].*)")
_POPLE = re.compile(r"\d-\d+(\+{0,2})g.*")
_DUNNING = re.compile(r"((?:d-)?(?:aug-)?cc-p)(w?c?)(v[dtq56]z)(.*)")


def basis_of(options: ElectronicOptions, element: str) -> str | None:
    """Name of an element's basis set in Turbomole's library; None if the options have none for it.

    Parameters
    ----------
    options : ElectronicOptions
    element : str
        In lower case.
    """
    name = of_element(options.basis, element.capitalize())
    if name is None:
        return None
    if name.lower().startswith("dhf-") and SYMBOLS.index(element.capitalize()) <= LIGHT:
        # Made for rubidium to radon; those of lighter elements are def2's (Weigend, Baldes, J. Chem. Phys. 133,
        # 174102, 2010).
        return _basis(f"def2-{name[4:].lower().removesuffix('-2c')}")
    return _basis(name)


def _basis(name: str) -> str:
    """A name as the library spells it; unknown ones stay as they are."""
    lower = name.lower()
    if found := _KARLSRUHE.fullmatch(lower):
        family, rest = found.groups()
        return f"{family}-{rest.upper().replace('-2C', '-2c')}"
    if _POPLE.fullmatch(lower):
        return lower.replace("g", "G").replace("(d)", "*").replace("(d,p)", "**")
    if found := _DUNNING.fullmatch(lower):
        start, core, zeta, end = found.groups()
        return f"{start}{core.replace('c', 'C')}{zeta.upper()}{end.upper() if end == '-pp' else end}"
    return lower if lower.startswith("sto-") else name


def ecp_of(options: ElectronicOptions, element: str) -> str | None:
    """Name of an element's effective core potential in Turbomole's library.

    Returns
    -------
    str or None
        None if `define` is to take the one that belongs to the basis set; ``"none"`` for all electrons.
    """
    name = of_element(options.ecp, element.capitalize())
    if name is None or name == "auto":
        return None
    lower = name.lower()
    if lower == "none":
        return "none" if SYMBOLS.index(element.capitalize()) > 2 else None
    family = lower.partition("-")[0]
    return f"{family}-ecp" if family in ("def", "def2", "dhf") else name
