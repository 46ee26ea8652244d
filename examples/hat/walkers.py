"""Walkers of the HAT example, for `ase.driver`: searches for transition states, and hydrogens held on their way."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.optimize import FIRE
from numpy.typing import NDArray

__all__ = ["transfer"]

Floats = NDArray[np.float64]
CLOSEST = 2.0
"""Å between atoms of two molecules that have been turned."""


class _Aid:
    """What changes the forces that ASE code feels; samples and labels don't see it."""

    def adjust_positions(self, atoms: Atoms, positions: Floats) -> None:
        """Positions are left alone."""

    def get_removed_dof(self, atoms: Atoms) -> int:
        """None."""
        return 0


class Spring(_Aid):
    """Pulls two atoms to a distance (Å), 30 eV/Å² stiff."""

    STIFFNESS = 30.0

    def __init__(self, first: int, second: int, length: float) -> None:
        self.first, self.second, self.length = first, second, length

    def adjust_forces(self, atoms: Atoms, forces: Floats) -> None:
        """Add the pull."""
        vector = atoms.positions[self.second] - atoms.positions[self.first]
        distance = np.linalg.norm(vector)
        pull = self.STIFFNESS * (distance - self.length) * vector / distance
        forces[self.first] += pull
        forces[self.second] -= pull


class Uphill(_Aid):
    """Turns the force along the transfer around, so that a minimiser ends on the pass and not beside it.

    Where the hydrogen is nearer to one of both by more than `LIMIT`, it is pulled back instead.
    """

    LIMIT = 0.45  # Å
    STIFFNESS = 20.0  # eV/Å²

    def __init__(self, donor: int, hydrogen: int, acceptor: int) -> None:
        self.donor, self.hydrogen, self.acceptor = donor, hydrogen, acceptor

    def adjust_forces(self, atoms: Atoms, forces: Floats) -> None:
        """Turn the part along the transfer around."""
        along, late = self.direction(atoms), self._late(atoms)
        if abs(late) < self.LIMIT:
            forces -= 2 * np.vdot(forces, along) * along
        else:
            forces -= self.STIFFNESS * (late - np.copysign(self.LIMIT, late)) * along

    def _late(self, atoms: Atoms) -> float:
        """By how much the hydrogen is nearer to the acceptor, Å."""
        return float(atoms.get_distance(self.donor, self.hydrogen) - atoms.get_distance(self.hydrogen, self.acceptor))

    def direction(self, atoms: Atoms) -> Floats:
        """In which the difference of both distances changes fastest: shape (atoms, 3), of length one."""
        donor, hydrogen, acceptor = atoms.positions[[self.donor, self.hydrogen, self.acceptor]]
        first, second = _unit(hydrogen - donor), _unit(acceptor - hydrogen)
        along = np.zeros((len(atoms), 3))
        along[[self.donor, self.hydrogen, self.acceptor]] = [-first, first + second, -second]
        return _unit(along)


def transfer(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    coldest: float = 50.0,
    hottest: float = 600.0,
    steps: int = 40,
    search: float = 0.6,
    free: float = 0.3,
    rattle: float = 0.03,
) -> None:
    """Search for the transition state, or for a minimum, and a short dynamics from where that has come to.

    Parameters
    ----------
    atoms : Atoms
        A guess of a transition state with ``info["transfer"]`` (donor, hydrogen, acceptor) and, if the acceptor is
        another molecule, ``info["first"]``, the number of atoms of the donor's; or any molecule without them.
    coldest, hottest : float
        Of the dynamics, K.
    steps : int
        Largest number of steps of a search's parts, and number of those of the dynamics, 0.5 fs each.
    search : float
        Share of calls that search; the others begin the dynamics at once.
    free : float
        Share of the latter without springs, and with the molecules anywhere between touching and apart.
    rattle : float
        Standard deviation of the first displacements of all atoms, Å.
    """
    searching = rng.random() < search
    if "transfer" in atoms.info:
        _place(atoms, rng, apart=not searching and rng.random() < free)
    positions = atoms.positions + rattle * rng.standard_normal(atoms.positions.shape)
    atoms.set_positions(positions, apply_constraint=False)
    if searching:
        _search(atoms, steps)
    temperature = rng.uniform(coldest, hottest)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    langevin = Langevin(
        atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng, fixcm=False
    )
    langevin.run(steps)


def _place(atoms: Atoms, rng: np.random.Generator, apart: bool) -> None:
    """Springs that hold the hydrogen between donor and acceptor; or none, and two molecules at any distance."""
    donor, hydrogen, acceptor = atoms.info["transfer"]
    if "first" in atoms.info:
        _turn(atoms, rng)
    axis = _unit(atoms.positions[acceptor] - atoms.positions[donor])
    lengths = atoms.get_distance(donor, hydrogen), atoms.get_distance(hydrogen, acceptor)
    shift, gap = rng.uniform(-0.3, 0.3), rng.normal(0.0, 0.1)
    if apart and "first" in atoms.info:
        gap = rng.uniform(0.2, 2.5)
        shift = rng.choice([-0.25, gap + 0.25])
    if "first" in atoms.info:
        atoms.positions[atoms.info["first"] :] += gap * axis
    atoms.positions[hydrogen] += shift * axis
    if not apart:
        atoms.set_constraint(
            [
                Spring(donor, hydrogen, lengths[0] + shift),
                Spring(hydrogen, acceptor, lengths[1] + gap - shift),
            ]
        )


def _turn(atoms: Atoms, rng: np.random.Generator) -> None:
    """Turn the second molecule about the hydrogen: most about the line to the acceptor, somewhat out of it."""
    _, hydrogen, acceptor = atoms.info["transfer"]
    first = atoms.info["first"]
    axis = atoms.positions[acceptor] - atoms.positions[hydrogen]
    others = [k for k in range(first) if k != hydrogen]
    for _ in range(20):
        second = atoms[first:]
        second.rotate(rng.normal(0.0, 30.0), axis, center=atoms.positions[hydrogen])
        second.rotate(rng.normal(0.0, 12.0), np.cross(axis, rng.standard_normal(3)), center=atoms.positions[hydrogen])
        gaps = np.linalg.norm(atoms.positions[others, None] - second.positions[None], axis=2)
        if gaps.min() > CLOSEST:
            atoms.positions[first:] = second.positions
            return


def _search(atoms: Atoms, steps: int) -> None:
    """Relax, with springs if there are any; then, of a transfer, go to the pass and hold the hydrogen there."""
    with FIRE(atoms, logfile=None, maxstep=0.1) as optimiser:
        optimiser.run(fmax=0.05, steps=steps)
    if "transfer" not in atoms.info:
        return
    donor, hydrogen, acceptor = atoms.info["transfer"]
    atoms.set_constraint(Uphill(donor, hydrogen, acceptor))
    with FIRE(atoms, logfile=None, maxstep=0.1) as optimiser:
        optimiser.run(fmax=0.05, steps=2 * steps)
    atoms.calc.conversation.ask_all([atoms], label=True, lenient=True)  # the oracle is to see it, whatever we believe
    pairs = (donor, hydrogen), (hydrogen, acceptor)
    atoms.set_constraint([Spring(i, j, atoms.get_distance(i, j)) for i, j in pairs])


def _unit(vector: Floats) -> Floats:
    return np.asarray(vector / np.linalg.norm(vector))
