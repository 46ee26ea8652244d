"""Fields of labels with several electronic states. Light.

States are in order of energy at each geometry, the ground state first (n = excited states + 1): where two of them
cross, they swap places.
"""

from __future__ import annotations

from pal_core.data import Field, Schema

__all__ = ["pairs", "state_schema"]


def pairs(states: int) -> list[tuple[int, int]]:
    """Pairs of states in the order of `couplings`: (0, 1), (0, 2), (1, 2), (0, 3), ...

    Parameters
    ----------
    states : int
        Excited states.
    """
    return [(i, j) for j in range(1, states + 1) for i in range(j)]


def state_schema(states: int, couplings: bool = False) -> Schema:
    """Fields of a label with ground state and excited states.

    Parameters
    ----------
    states : int
        Excited states.
    couplings : bool
        Whether there are derivative couplings.
    """
    n = states + 1
    fields = [
        Field("state_energies", "float64", (n,), "eV", "Total energies, the ground state's first."),
        Field("state_forces", "float64", ("atoms", n, 3), "eV/Å", "Forces on each state; zero where not known."),
        Field("state_forces_known", "bool", (n,), doc="Whose forces were computed."),
        Field("oscillator_strengths", "float64", (states,), doc="From the ground state, length representation."),
        Field(
            "transition_dipoles",
            "float64",
            (states, 3),
            "e·Å",
            "From the ground state, length; their sign is arbitrary.",
        ),
    ]
    if couplings:
        number = len(pairs(states))
        fields += [
            Field("couplings", "float64", ("atoms", number, 3), "1/Å", "Derivative couplings; zero where not known."),
            Field("couplings_known", "bool", (number,), doc="Which pairs' couplings were computed."),
        ]
    return Schema(fields)
