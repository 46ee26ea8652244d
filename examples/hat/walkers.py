"""Walkers of the HAT example, for `ase.driver`: hydrogen transfers held anywhere between start and end, and let go."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

__all__ = ["transfer"]


class Spring:
    """A constraint that pulls two atoms to a distance (Å), 20 eV/Å² stiff."""

    STIFFNESS = 20.0

    def __init__(self, first: int, second: int, length: float) -> None:
        self.first, self.second, self.length = first, second, length

    def adjust_positions(self, atoms: Atoms, positions) -> None:
        """Positions are left alone."""

    def adjust_forces(self, atoms: Atoms, forces) -> None:
        """Add the pull to what the dynamics feels; samples and labels don't see it."""
        vector = atoms.positions[self.second] - atoms.positions[self.first]
        distance = np.linalg.norm(vector)
        pull = self.STIFFNESS * (distance - self.length) * vector / distance
        forces[self.first] += pull
        forces[self.second] -= pull

    def get_removed_dof(self, atoms: Atoms) -> int:
        """None."""
        return 0


def transfer(
    atoms: Atoms,
    rng: np.random.Generator,
    *,
    temperature: float = 600.0,
    steps: int = 80,
    rattle: float = 0.03,
    free: float = 0.3,
) -> None:
    """A short hot dynamics with the hydrogen held somewhere on its way.

    Parameters
    ----------
    atoms : Atoms
        A guess of a transition state with ``info["transfer"]`` (donor, hydrogen, acceptor) and, if the acceptor is
        another molecule, ``info["first"]``, the number of atoms of the donor's; or any molecule without them.
    temperature : float
        K.
    steps : int
        Of 0.5 fs.
    rattle : float
        Standard deviation of the first displacements of all atoms, Å.
    free : float
        Share of calls without springs, and with the molecules anywhere between touching and apart.
    """
    if "transfer" in atoms.info:
        _place(atoms, rng, apart=rng.random() < free)
    positions = atoms.positions + rattle * rng.standard_normal(atoms.positions.shape)
    atoms.set_positions(positions, apply_constraint=False)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    langevin = Langevin(
        atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng, fixcm=False
    )
    langevin.run(steps)


def _place(atoms: Atoms, rng: np.random.Generator, apart: bool) -> None:
    """Springs that hold the hydrogen between donor and acceptor; or none, and two molecules at any distance."""
    donor, hydrogen, acceptor = atoms.info["transfer"]
    axis = atoms.positions[acceptor] - atoms.positions[donor]
    axis /= np.linalg.norm(axis)
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
