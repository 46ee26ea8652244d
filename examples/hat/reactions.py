"""The hydrogen transfers of this example: what takes part, where the hydrogen sits, and which are never trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from ase import Atoms
from ase.build import molecule
from molecules import encounter, folded, grown, hydrogens, radical

__all__ = ["GROUPS", "REACTIONS", "Group", "Reaction", "between", "within"]

Group = Literal["seen", "unseen", "further"]
GROUPS: tuple[Group, ...] = ("seen", "unseen", "further")
"""Reactions to train on; unseen ones; more unseen ones, whose barriers are less alike."""

_REACH = {6: 1.35, 7: 1.3, 8: 1.25}
"""Distance in Å of the travelling hydrogen from a carbon and from an oxygen in a guess."""

MOLECULES: dict[str, Callable[[], Atoms]] = {
    "methane": lambda: molecule("CH4"),
    "ethane": lambda: molecule("C2H6"),
    "propane": lambda: molecule("C3H8"),
    "methanol": lambda: molecule("CH3OH"),
    "methylamine": lambda: molecule("H3CNH2"),
    "glycine": lambda: grown(molecule("H3CNH2"), 0, "HCOOH", 1),
    "alanine": lambda: grown(molecule("CH3CH2NH2"), 1, "HCOOH", 1),
    "butane": lambda: molecule("trans-butane"),
    "ethanol": lambda: molecule("CH3CH2OH"),
    "ethylamine": lambda: molecule("CH3CH2NH2"),
    "pentane": lambda: grown(molecule("trans-butane"), 3, "CH4"),
    "hexane": lambda: grown(grown(molecule("trans-butane"), 3, "CH4"), 0, "CH4"),
    "heptane": lambda: grown(grown(grown(molecule("trans-butane"), 3, "CH4"), 0, "CH4"), 4, "CH4"),
    "butanol": lambda: grown(molecule("C3H8"), 1, "CH3OH"),
    "pentanol": lambda: grown(grown(molecule("C3H8"), 1, "CH3OH"), 2, "CH4"),
}


@dataclass(frozen=True)
class Reaction:
    """A hydrogen transfer, from reactants through a guess of the transition state to products.

    Parameters
    ----------
    name : str
    group : {"seen", "unseen", "further"}
        Runs train on seen ones only; the two groups of unseen ones were chosen one after the other.
    early : float
        By how much the hydrogen is nearer to the donor, Å: the more exothermic, the earlier.
    guess : Atoms
        ``info["transfer"]`` is donor, hydrogen, acceptor.
    reactants, products : tuple of Atoms
        Each alone; one for a transfer within a molecule.
    """

    name: str
    group: Group
    early: float
    guess: Atoms
    reactants: tuple[Atoms, ...]
    products: tuple[Atoms, ...]

    @property
    def seen(self) -> bool:
        """Whether runs may train on it."""
        return self.group == "seen"

    @property
    def transfer(self) -> tuple[int, int, int]:
        """Donor, hydrogen, acceptor."""
        donor, hydrogen, acceptor = self.guess.info["transfer"]
        return donor, hydrogen, acceptor

    @cached_property
    def springs(self) -> list[tuple[int, int, float]]:
        """Pairs of atoms and their distances in Å that make a guess of the transition state."""
        donor, hydrogen, acceptor = self.transfer
        reach = [_REACH[int(self.guess.numbers[k])] for k in (donor, acceptor)]
        return [(donor, hydrogen, reach[0] - self.early), (hydrogen, acceptor, reach[1] + self.early)]


def between(
    name: str, donor: tuple[str, int], acceptor: tuple[str, int], *, group: Group = "seen", early: float = 0.0
) -> Reaction:
    """X-H + Y -> X + H-Y: the molecules X-H and Y-H with their atoms X and Y."""
    first, second = MOLECULES[donor[0]](), MOLECULES[acceptor[0]]()
    lengths = _REACH[int(first.numbers[donor[1]])], _REACH[int(second.numbers[acceptor[1]])]
    guess = encounter(first, donor[1], second, acceptor[1], lengths)
    reactants = (first, _shaken(radical(second, acceptor[1])))
    return Reaction(name, group, early, _shaken(guess), reactants, (_shaken(radical(first, donor[1])), second))


def within(name: str, parent: str, donor: int, acceptor: int, *, group: Group = "seen", early: float = 0.0) -> Reaction:
    """A transfer within the radical that lacks a hydrogen of `acceptor`; the atoms are numbered as in the parent."""
    whole = MOLECULES[parent]()
    lost = hydrogens(whole, acceptor)[0]
    start = radical(whole, acceptor)
    donor, acceptor = donor - int(lost < donor), acceptor - int(lost < acceptor)
    guess = folded(start, donor, acceptor, np.random.default_rng(1))
    return Reaction(name, group, early, guess, (_shaken(start),), (_shaken(radical(whole, donor)),))


def _shaken(atoms: Atoms) -> Atoms:
    """Out of symmetries that would hold an optimiser on a saddle; the same every time."""
    atoms.rattle(0.02, seed=len(atoms))
    return atoms


REACTIONS = (
    between("methyl + methane", ("methane", 0), ("methane", 0)),
    between("methyl + ethane", ("ethane", 0), ("methane", 0), early=0.12),
    between("ethyl + ethane", ("ethane", 0), ("ethane", 0)),
    between("2-propyl + propane", ("propane", 0), ("propane", 0)),
    between("hydroxymethyl + methanol", ("methanol", 0), ("methanol", 0)),
    between("aminomethyl + methylamine", ("methylamine", 0), ("methylamine", 0)),
    between("glycyl + glycine", ("glycine", 0), ("glycine", 0)),
    between("glycyl + alanine", ("alanine", 1), ("glycine", 0)),
    within("1-pentyl, 1,5-shift", "pentane", 0, 4),
    within("1-butoxy, 1,5-shift", "butanol", 2, 4),
    between("ethyl + propane", ("propane", 1), ("ethane", 0)),
    between("1-propyl + propane", ("propane", 1), ("propane", 1)),
    between("2-propyl + butane", ("butane", 1), ("propane", 0)),
    between("ethyl + methanol", ("methanol", 0), ("ethane", 0), early=0.12),
    between("hydroxymethyl + ethanol", ("ethanol", 1), ("methanol", 0), early=0.06),
    between("hydroxymethyl + methylamine", ("methylamine", 0), ("methanol", 0), early=0.06),
    between("aminomethyl + ethylamine", ("ethylamine", 1), ("methylamine", 0), early=0.04),
    within("1-pentoxy, 1,5-shift", "pentanol", 2, 4),
    within("1-hexyl, 1,5-shift", "hexane", 3, 5),
    within("1-hexyl, 1,6-shift", "hexane", 5, 4),
    within("2-heptyl, 1,5-shift", "heptane", 0, 4),
    between("ethyl + butane", ("butane", 0), ("ethane", 0), group="unseen"),
    between("1-butyl + butane", ("butane", 0), ("butane", 0), group="unseen"),
    between("2-butyl + butane", ("butane", 1), ("butane", 1), group="unseen"),
    between("1-hydroxyethyl + ethanol", ("ethanol", 1), ("ethanol", 1), group="unseen"),
    between("1-aminoethyl + ethylamine", ("ethylamine", 1), ("ethylamine", 1), group="unseen"),
    within("1-heptyl, 1,5-shift", "heptane", 3, 5, group="unseen"),
    between("methyl + propane", ("propane", 1), ("methane", 0), group="further", early=0.12),
    between("ethyl + propane, middle", ("propane", 0), ("ethane", 0), group="further", early=0.06),
    between("ethyl + ethylamine", ("ethylamine", 1), ("ethane", 0), group="further", early=0.12),
    between("1-hydroxyethyl + ethylamine", ("ethylamine", 1), ("ethanol", 1), group="further", early=0.06),
    between("alanyl + alanine", ("alanine", 1), ("alanine", 1), group="further"),
    within("1-heptyl, 1,6-shift", "heptane", 4, 5, group="further"),
)
