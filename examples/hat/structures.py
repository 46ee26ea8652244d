"""Start structures of the walkers: guesses of the seen transition states, and what they begin and end with.

    python structures.py        # writes structures/seen.extxyz anew

Relaxed with GFN2-xTB, the hydrogen held between donor and acceptor: a guess, no transition state.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ase.io
from ase import Atoms
from molecules import bonded
from reactions import REACTIONS, Reaction
from search import Surface, relaxed
from surfaces import OracleSurface

from pal_ase.codec import lowest_multiplicity
from pal_core.kernels import Context
from pal_xtb.options import TbliteOptions
from pal_xtb.oracle import Gfn2

__all__ = ["starts"]

FILE = Path(__file__).parent / "structures" / "seen.extxyz"


def main() -> None:
    surface = OracleSurface(Gfn2(TbliteOptions(), Context("oracle")))
    frames = starts([r for r in REACTIONS if r.seen], surface)
    for atoms in frames:
        atoms.positions = atoms.positions.round(4)
    FILE.parent.mkdir(exist_ok=True)
    ase.io.write(FILE, frames)
    print(f"{len(frames)} start structures in {FILE}, {surface.calls} calls of the oracle")


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


if __name__ == "__main__":
    main()
