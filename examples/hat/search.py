"""Minima and transition states on any surface, found alike on the oracle and on a committee.

All searches are written for ASE; `answered` turns them inside out, so that a surface answers what PAL's walkers ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from numpy.typing import NDArray
from walkers import Spring, Uphill

from pal_ase.inside_out import Band, Conversation, InsideOutCalculator
from pal_ase.saddle import Effort, follow_mode
from pal_ase.vibrations import vibrations
from pal_core.kernels import Feedback

__all__ = ["Found", "Surface", "relaxed", "saddle"]

Array = NDArray[np.float64]
Surface = Callable[[list[Atoms]], list[tuple[float, Array]]]
"""Energies [eV] and forces [eV/Å] of structures."""

EFFORT = Effort(fmax=0.005, steps=150, longest=0.1, displacement=0.01, renew=10)
LEAST = 50.0
"""Imaginary modes below, in 1/cm, are noise of soft turns."""


@dataclass(frozen=True)
class Found:
    """Where a search has ended.

    Parameters
    ----------
    atoms : Atoms
    energy : float
        eV.
    converged : bool
    modes : tuple of float
        Of a transition state: wavenumbers of imaginary modes in 1/cm, largest first.
    """

    atoms: Atoms
    energy: float
    converged: bool
    modes: tuple[float, ...] = ()


def relaxed(
    surface: Surface,
    atoms: Atoms,
    *,
    springs: Sequence[tuple[int, int, float]] = (),
    fmax: float = 0.002,
    steps: int = 300,
) -> Found:
    """Nearest minimum by ASE's BFGS; springs hold two atoms at a distance in Å and don't count in the energy."""

    def minimise(place: Atoms) -> Found:
        place.set_constraint([Spring(*spring) for spring in springs])
        with BFGS(place, logfile=None, maxstep=0.1) as optimiser:
            converged = bool(optimiser.run(fmax=fmax, steps=steps))
        place.set_constraint()
        return Found(place, float(place.get_potential_energy()), converged)

    return answered(surface, minimise, atoms)


def saddle(surface: Surface, atoms: Atoms, transfer: tuple[int, int, int]) -> Found:
    """Nearest transition state of a transfer (donor, hydrogen, acceptor).

    Uphill along the mode that is most like the transfer, downhill along all others.
    """

    def climb(place: Atoms) -> Found:
        second = follow_mode(place, EFFORT, Uphill(*transfer).direction(place))
        if second is None:
            return Found(place, float(place.get_potential_energy()), converged=False)
        waves = vibrations(place, second).frequencies
        modes = tuple(round(-float(w), 1) for w in waves if w < -LEAST)
        return Found(place, float(place.get_potential_energy()), converged=True, modes=modes)

    return answered(surface, climb, atoms)


def answered(surface: Surface, search: Callable[[Atoms], Found], atoms: Atoms) -> Found:
    """Run a search on a copy of atoms, whose calculator is the surface."""
    place, found = Atoms(atoms.numbers, atoms.positions, info=dict(atoms.info)), []
    talk = Conversation(lambda: found.append(search(place)))
    place.calc = InsideOutCalculator(talk)
    asked = talk.start()
    while asked is not None:
        images = list(asked.images) if isinstance(asked, Band) else [asked]
        answers = [_feedback(*answer) for answer in surface(images)]
        asked = talk.answer(answers if isinstance(asked, Band) else answers[0])
    place.calc = None
    return replace(found[0], atoms=place)


def _feedback(energy: float, forces: Array) -> Feedback:
    mean = {"energy": np.array(energy), "forces": forces}
    return Feedback(mean, {}, 0.0, trusted=True, selected=False, version=0)
