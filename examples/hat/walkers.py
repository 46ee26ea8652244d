"""Walkers of the HAT example, for `ase.driver`: samples along hydrogen transfers, and what is hot around them."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution

__all__ = ["transfer"]


def transfer(
    atoms: Atoms, rng: np.random.Generator, temperature: float = 500.0, steps: int = 40, rattle: float = 0.03
) -> None:
    """Start somewhere on a transfer, then follow a short hot dynamics.

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
    """
    if "transfer" in atoms.info:
        _place(atoms, rng)
    atoms.positions += rattle * rng.standard_normal(atoms.positions.shape)
    MaxwellBoltzmannDistribution(atoms, temperature_K=temperature, rng=rng)
    Langevin(atoms, 0.5 * units.fs, temperature_K=temperature, friction=0.02 / units.fs, rng=rng, fixcm=False).run(
        steps
    )


def _place(atoms: Atoms, rng: np.random.Generator) -> None:
    """The hydrogen somewhere between donor and acceptor; molecules apart, in one case of three."""
    donor, hydrogen, acceptor = atoms.info["transfer"]
    axis = atoms.positions[acceptor] - atoms.positions[donor]
    axis /= np.linalg.norm(axis)
    if "first" not in atoms.info:
        atoms.positions[hydrogen] += rng.uniform(-0.25, 0.25) * axis
        return
    side = np.arange(len(atoms)) >= atoms.info["first"]
    apart = rng.uniform(0.2, 2.5) if rng.random() < 1 / 3 else rng.normal(0.0, 0.1)
    atoms.positions[side] += apart * axis
    shift = rng.uniform(-0.25, 0.25)
    if apart > 0.2:
        shift = rng.choice([-0.25, apart + 0.25])
    atoms.positions[hydrogen] += shift * axis
