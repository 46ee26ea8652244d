"""Barriers and reaction energies on a surface, by the same search whatever the surface is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.units import kcal, mol
from reactions import Reaction
from search import FAR, Found, Surface, reach, relaxed, saddle

__all__ = ["Barrier", "barrier"]


@dataclass(frozen=True)
class Barrier:
    """A reaction on a surface.

    Parameters
    ----------
    name : str
    group : str
        As of the reaction.
    barrier, energy : float
        Of the transition state and of the products, above the reactants relaxed each alone; kcal/mol.
    modes : list of float
        Imaginary modes of the transition state, 1/cm.
    lengths : list of float
        Distances of the hydrogen from donor and acceptor in the transition state, Å.
    converged : bool
        All searches have.
    state : Atoms
        The transition state.
    minima : tuple of Atoms
        Reactants, then products.
    """

    name: str
    group: str
    barrier: float
    energy: float
    modes: list[float]
    lengths: list[float]
    converged: bool
    state: Atoms
    minima: tuple[Atoms, ...]

    @property
    def sound(self) -> bool:
        """Searches have converged to one imaginary mode with the hydrogen between donor and acceptor."""
        return self.converged and len(self.modes) == 1 and max(self.lengths) < FAR

    def record(self) -> dict[str, Any]:
        """All but the structures."""
        names = ("name", "group", "barrier", "energy", "modes", "lengths", "converged")
        return {name: value for name, value in asdict(self).items() if name in names} | {"sound": self.sound}


def barrier(reaction: Reaction, surface: Surface, known: dict[bytes, Found] | None = None) -> Barrier:
    """Relax reactants and products, then climb from the guess to the transition state.

    `known` holds minima of this surface by the structures they were relaxed from; new ones are added.
    """
    minima = _minima(surface, [*reaction.reactants, *reaction.products], {} if known is None else known)
    before, after = minima[: len(reaction.reactants)], minima[len(reaction.reactants) :]
    guess = relaxed(surface, reaction.guess, springs=reaction.springs, fmax=0.03, steps=150)
    top = saddle(surface, guess.atoms, reaction.transfer)
    ground = _sum(before)
    return Barrier(
        reaction.name,
        reaction.group,
        (top.energy - ground) * mol / kcal,
        (_sum(after) - ground) * mol / kcal,
        list(top.modes),
        reach(top.atoms, reaction.transfer),
        all(f.converged for f in (*before, *after, top)),
        top.atoms,
        tuple(f.atoms for f in (*before, *after)),
    )


def _minima(surface: Surface, structures: Sequence[Atoms], known: dict[bytes, Found]) -> list[Found]:
    """Each relaxed alone; what occurs twice, as in X-H + X, only once."""
    names = [atoms.numbers.tobytes() + atoms.positions.tobytes() for atoms in structures]
    for name, atoms in zip(names, structures, strict=True):
        if name not in known:
            known[name] = relaxed(surface, atoms)
    return [known[name] for name in names]


def _sum(parts: Iterable[Found]) -> float:
    return float(np.sum([part.energy for part in parts]))
