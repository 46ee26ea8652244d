"""Iterative solutions of response equations, as escf and egrad print them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pal_turbomole.reading.errors import Unreadable
from pal_turbomole.reading.floats import read_float
from pal_turbomole.reading.log import Section, spans

__all__ = ["Root", "Solution", "read_solutions"]

_START = r"^\s*(?:Nonorthonormal Krylov Space Iteration|Block Davidson iteration)\s*$"
_TABLE = r"^\s*IRREP\s+Vector\s+(Eigenvalue|Frequency)\s+Euclidean residual norm\s*$"
_COUNTS = re.compile(r"^\s*(?:\d+\s+)?([a-z]\S*)\s+(\d+)\s+\S+[DdEe][+-]\d+\s*$")
_ROOT = re.compile(r"^\s*(?:([a-z]\S*)\s+)?(\d+)\s+(\S+)\s+(\S+)\s*$")


@dataclass(frozen=True)
class Root:
    """One solution: representation, number in it, eigenvalue [hartree, or its square], norm of the residual."""

    irrep: str
    number: int
    eigenvalue: float
    residual: float


@dataclass(frozen=True)
class Solution:
    """A set of equations that was solved.

    Parameters
    ----------
    what : str
        ``"Eigenvalue"`` for excitations, ``"Frequency"`` for the equations behind gradients.
    roots : tuple of Root
    coarse : bool
        They converged with the small grid of m grids and got a last step with the large one: residuals are larger.
    """

    what: str
    roots: tuple[Root, ...]
    coarse: bool


def read_solutions(section: Section) -> tuple[Solution, ...]:
    """All iterations of a section.

    Raises
    ------
    Unreadable
        Of kind ``unconverged`` if one didn't converge, in the program's words or by its residuals.
    """
    starts = [number for number, _ in section.matches(_START)]
    _, limit = section.only(r"^\s*residuum convergence criterium\s*:\s*(\S+)", "its convergence criterion")
    return tuple(_solution(section, *span, read_float(limit[1])) for span in spans(starts, len(section.lines)))


def _solution(section: Section, start: int, end: int, limit: float) -> Solution:
    _, total = section.only(r"total number of roots to be determined:\s*(\d+)", "a number of roots", start, end)
    if section.find(r"^\s*converged!\s*$", start, end) is None:
        message = f"{section.program} doesn't say that its equations converged"
        raise Unreadable(
            "unconverged", message, [line for line in section.lines[start:end] if _COUNTS.match(line)][-4:]
        )
    converged, _ = section.only(r"^\s*converged!\s*$", "that they converged", start, end)
    count = _converged_roots(section.lines[start:converged])
    coarse = section.find(r"Residual norms are larger than .* due to mgrid option", converged, end) is not None
    title, what = section.only(_TABLE, "a table of solutions", converged, end)
    roots = _roots(section.lines[title + 1 : end])
    shown = [*section.lines[converged - 3 : converged + 1], *section.lines[title : title + 4]]
    if not len(roots) == count == int(total[1]):
        message = f"{total[1]} solutions wanted, {count} converged, {len(roots)} printed by {section.program}"
        raise Unreadable("unconverged" if count < int(total[1]) else "crashed", message, shown)
    worst = max(root.residual for root in roots)
    if worst > limit and not coarse:
        raise Unreadable("unconverged", f"a residual of {worst:.2e} is left, allowed are {limit:.1e}", shown)
    return Solution(what[1], roots, coarse)


def _converged_roots(lines: Sequence[str]) -> int:
    """Sum over representations, in the last iteration before the end."""
    last: list[str] = []
    for line in reversed(lines):
        if line.strip():
            last.append(line)
        elif last:
            break
    matches = [_COUNTS.match(line) for line in last]
    return sum(int(match[2]) for match in matches if match)


def _roots(lines: Sequence[str]) -> tuple[Root, ...]:
    roots: list[Root] = []
    for line in lines:
        match = _ROOT.match(line)
        if line.strip() and not match:
            break
        if match:
            irrep = match[1] or (roots[-1].irrep if roots else "")
            roots.append(Root(irrep, int(match[2]), read_float(match[3]), read_float(match[4])))
    return tuple(roots)
