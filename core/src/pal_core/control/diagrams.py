"""State diagrams of the machines, drawn from the tables that they obey."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

__all__ = ["mermaid"]

Phase = TypeVar("Phase", bound=str)


def mermaid(phases: Mapping[Phase, tuple[Phase, ...]]) -> str:
    """A Mermaid state diagram.

    Parameters
    ----------
    phases : mapping of str to tuple of str
        Which phase may follow which. The first one begins; those without successors are final.

    Returns
    -------
    str
        Lines of a ``stateDiagram-v2``, without a fence around them.

    Raises
    ------
    ValueError
        If the table is empty or a successor has no row of its own.

    Examples
    --------
    >>> print(mermaid({"open": ("closed",), "closed": ()}))
    stateDiagram-v2
        [*] --> open
        open --> closed
        closed --> [*]
    """
    if not phases:
        raise ValueError("a table without phases")
    unknown = {after for row in phases.values() for after in row} - phases.keys()
    if unknown:
        raise ValueError(f"no row for {', '.join(sorted(unknown))}; the table has {', '.join(phases)}")
    arrows: list[tuple[str, str]] = [("[*]", next(iter(phases)))]
    for before, row in phases.items():
        arrows += [(before, after) for after in row] or [(before, "[*]")]
    return "\n".join(["stateDiagram-v2", *(f"    {before} --> {after}" for before, after in arrows)])
