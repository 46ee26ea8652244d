"""Total charge and spin multiplicity of samples, as rows of tables that networks embed them by."""

from __future__ import annotations

from torch import Tensor

from pal_ase.learning.graph import Graph

__all__ = ["state_rows"]


def state_rows(graph: Graph, charges: int, multiplicities: int, who: str) -> tuple[Tensor, Tensor]:
    """Rows of every sample in a table of charges from the most negative one on, and in one of multiplicities from 1 on.

    Parameters
    ----------
    graph : Graph
    charges : int
        Largest charge of either sign, e.
    multiplicities : int
        Largest multiplicity.
    who : str
        The kernel, for messages.

    Returns
    -------
    charge, multiplicity : Tensor of int64, shape (n,)

    Raises
    ------
    ValueError
        If a sample has others.
    """
    charge, multiplicity = graph.charge + charges, graph.multiplicity - 1
    strange = (charge < 0) | (charge > 2 * charges) | (multiplicity < 0) | (multiplicity >= multiplicities)
    if bool(strange.any()):
        k = int(strange.int().argmax())
        raise ValueError(
            f"{who}: a sample has charge {int(graph.charge[k])} and multiplicity {int(graph.multiplicity[k])}; "
            f"options charges and multiplicities allow for -{charges} to {charges} and 1 to {multiplicities}"
        )
    return charge, multiplicity
