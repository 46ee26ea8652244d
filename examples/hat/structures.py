"""Start structures of the walkers: guesses of the seen transition states, and what they begin and end with.

Relaxed on the oracle with the hydrogen held between donor and acceptor: a guess, no transition state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from molecules import bonded
from reactions import Reaction
from search import Surface, relaxed

from pal_ase.codec import lowest_multiplicity

__all__ = ["write_starts"]


def write_starts(path: Path, reactions: Sequence[Reaction], surface: Surface) -> None:
    """Write the start structures of these reactions to an extxyz file."""
    path.parent.mkdir(exist_ok=True)
    frames = starts(reactions, surface)
    for atoms in frames:
        atoms.positions = atoms.positions.round(4)
    ase.io.write(path, frames)
    print(f"{len(frames)} start structures in {path}")


def starts(reactions: Sequence[Reaction], surface: Surface) -> list[Atoms]:
    """One frame for every guess and for every different molecule and radical, with multiplicity.

    ``info["transfer"]`` of a guess are donor, hydrogen and acceptor, ``info["first"]`` is the number of atoms of the
    donor's molecule if the acceptor is another one.
    """
    frames: list[Atoms] = []
    known: set[str] = set()
    for reaction in reactions:
        guess = relaxed(surface, reaction.guess, springs=reaction.springs, fmax=0.05, steps=150).atoms
        if len(reaction.reactants) == 2:
            guess.info["first"] = len(reaction.reactants[0])
        frames.append(_named(guess, reaction.name))
        for atoms in (*reaction.reactants, *reaction.products):
            name = f"{atoms.symbols.formula:hill} of {reaction.name}"
            if _fingerprint(atoms) not in known:
                known.add(_fingerprint(atoms))
                frames.append(_named(relaxed(surface, atoms, fmax=0.05).atoms, name))
    return frames


def _named(atoms: Atoms, name: str) -> Atoms:
    atoms.info |= {"name": name, "multiplicity": lowest_multiplicity(atoms.numbers, 0)}
    return atoms


def _fingerprint(atoms: Atoms) -> str:
    """The same for the same molecule, whatever it was made for: every atom with its neighbours."""
    near = bonded(atoms)
    kinds = sorted(f"{atom.symbol}{atoms[near[atom.index]].symbols.formula:hill}" for atom in atoms)
    return " ".join(kinds)
