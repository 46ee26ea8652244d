"""The density functional and grid that a program says it uses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.log import Section

__all__ = ["Functional", "read_functional"]

_ENDS = ("iterations will be done", "spherical integration", "Derivatives of")


@dataclass(frozen=True)
class Functional:
    """A density functional, as printed.

    Parameters
    ----------
    lines : tuple of str
        Name, exchange and correlation in the program's words, one space between words: ``("Becke-3-Parameter hybrid
        functional: B3-LYP", "exchange: 0.8*LDA + 0.72*B88 + 0.2*HF", "correlation: 0.19*LDA(VWN) + 0.81*LYP")``.
    vwn : {"V", "III"} or None
        Which fit of Vosko, Wilk and Nusair it has: V is Turbomole's own (``VWN``), III that of Gaussian (``VWNIII``).
    grid : str
        ``"m5"``: size 5 for the last iteration, a small one before; ``"5"``: always size 5.
    """

    lines: tuple[str, ...]
    vwn: Literal["V", "III"] | None
    grid: str


def read_functional(section: Section) -> Functional | None:
    """The functional of a section; None for Hartree-Fock."""
    title = section.find(r"^\s*density functional\s*$")
    if title is None:
        return None
    words = []
    for line in section.lines[title + 2 :]:
        if not line.strip() or line.strip().startswith(_ENDS):
            break
        words.append(" ".join(line.split()))
    sizes = {match[1] for _, match in section.matches(r"^\s*spherical gridsize\s*:\s*(\S+)", title)}
    if len(sizes) != 1:
        message = f"{section.program} should print one size of its grid, and prints {len(sizes)}"
        raise Unreadable("crashed", message, section.lines[title : title + 8])
    multiple = section.find(r"iterations will be done with small grid", title) is not None
    return Functional(tuple(words), _vwn(" ".join(words)), "m" * multiple + sizes.pop())


def _vwn(text: str) -> Literal["V", "III"] | None:
    if "VWNIII" in text or "fit III" in text:
        return "III"
    return "V" if "VWN" in text else None
