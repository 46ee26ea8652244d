"""Minima and transition states on any surface, found alike on the oracle and on a committee.

All searches are written for ASE; `answered` turns them inside out, so that a surface answers what PAL's walkers ask.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from ase import Atoms
from ase.optimize import BFGS, FIRE
from numpy.typing import NDArray
from walkers import Spring, Uphill

from pal_ase.inside_out import Band, Conversation, InsideOutCalculator
from pal_ase.saddle import Effort, follow_mode
from pal_ase.vibrations import vibrations
from pal_core.kernels import Feedback

__all__ = ["FAR", "Found", "Surface", "reach", "relaxed", "saddle"]

Array = NDArray[np.float64]
Surface = Callable[[list[Atoms]], list[tuple[float, Array]]]
"""Energies [eV] and forces [eV/Å] of structures."""

EFFORT = Effort(fmax=0.005, steps=100, longest=0.1, displacement=0.01, renew=10)
FAR = 1.9
"""Distance in Å of the hydrogen from donor or acceptor that is no longer a transfer."""
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

    Uphill along the mode that is most like the transfer; if this doesn't end in a transition state with the hydrogen
    between both, along the lowest mode, and then from where a minimiser comes with the force along the transfer turned
    around, as the walkers do it.
    """
    first: Found | None = None
    for aided, along in ((False, True), (False, False), (True, True)):
        found = answered(surface, partial(_climb, Uphill(*transfer), aided, along), atoms)
        if found.converged and len(found.modes) == 1 and max(reach(found.atoms, transfer)) < FAR:
            return found
        first = first or found
    assert first is not None  # noqa: S101 - there are several attempts
    return first


def reach(atoms: Atoms, transfer: tuple[int, int, int]) -> list[float]:
    """Distances of the hydrogen from donor and acceptor, Å."""
    donor, hydrogen, acceptor = transfer
    return [round(float(atoms.get_distance(k, hydrogen)), 3) for k in (donor, acceptor)]


def _climb(uphill: Uphill, aided: bool, along: bool, place: Atoms) -> Found:
    if aided:
        place.set_constraint(uphill)
        with FIRE(place, logfile=None, maxstep=0.1) as optimiser:
            optimiser.run(fmax=0.05, steps=100)
        place.set_constraint()
    second = follow_mode(place, EFFORT, uphill.direction(place) if along else None)
    if second is None:
        return Found(place, float(place.get_potential_energy()), converged=False)
    waves = vibrations(place, second).frequencies
    modes = tuple(round(-float(w), 1) for w in waves if w < -LEAST)
    return Found(place, float(place.get_potential_energy()), converged=True, modes=modes)


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
