"""From a saddle point down to the minima on both sides."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from ase import Atoms
from ase.optimize import BFGS
from numpy.typing import NDArray

from pal_ase.inside_out import Conversation, InsideOutCalculator
from pal_ase.vibrations import WAVENUMBER, Modes, free_atoms

__all__ = ["Side", "descend"]

Floats = NDArray[np.float64]
_DROP = 0.005  # eV that the first step off the saddle should win
_FURTHEST = 0.5  # Å u^1/2, its greatest length
_FINEST = 1 / 16  # share of a step's length below which the path is given up for a minimiser


@dataclass
class Side:
    """What lies on one side of a saddle point.

    Parameters
    ----------
    atoms : Atoms
        The minimum, with its calculator.
    path : list of ndarray, shape (atoms, 3)
        Positions from the saddle point (without it) down the reaction coordinate, in Å.
    converged : bool
        Whether the minimum has been reached.
    """

    atoms: Atoms
    path: list[Floats] = field(default_factory=list)
    converged: bool = False

    @property
    def energy(self) -> float:
        """Predicted, in eV."""
        return float(self.atoms.get_potential_energy())


def descend(atoms: Atoms, modes: Modes, length: float, steps: int, fmax: float) -> tuple[Side, Side]:
    """Follow the reaction coordinate from a saddle point to both sides at once, then minimise.

    The intrinsic reaction coordinate (K. Fukui, Acc. Chem. Res. 14, 363, 1981) is followed by steps of steepest descent
    in mass-weighted coordinates. Where the energy rises, the valley is narrower than a step, which is halved; at a
    sixteenth BFGS takes over. Each turn asks for one geometry of either side.

    Parameters
    ----------
    atoms : Atoms
        At the saddle point.
    modes : Modes
        The first one goes downhill.
    length : float
        Of a step, in Å u^1/2.
    steps : int
        Largest number of steps, and again of the minimiser's.
    fmax : float
        Largest force in the minima, eV/Å.
    """
    sides = Side(atoms.copy()), Side(atoms.copy())
    first = _first_move(atoms, modes)

    def go(side: Side, move: Floats, talk: Conversation) -> None:
        side.atoms.calc = InsideOutCalculator(talk)
        side.atoms.positions += move
        _follow(side, length, steps)
        with BFGS(side.atoms, logfile=None, maxstep=0.1) as optimiser:
            side.converged = bool(optimiser.run(fmax=fmax, steps=steps))

    pairs = list(zip(sides, (first, -first), strict=True))
    atoms.calc.conversation.together([lambda talk, s=s, m=m: go(s, m, talk) for s, m in pairs])
    return sides


def _first_move(atoms: Atoms, modes: Modes) -> Floats:
    """Displacement along the downhill mode, shape (atoms, 3)."""
    free = free_atoms(atoms)
    weights = np.repeat(np.sqrt(atoms.get_masses()[free]), 3)
    curvature = (modes.frequencies[0] / WAVENUMBER) ** 2
    size = min(np.sqrt(2 * _DROP / curvature), _FURTHEST)
    move = np.zeros((len(atoms), 3))
    move[free] = (size * modes.vectors[0] / weights).reshape(-1, 3)
    return move


def _follow(side: Side, length: float, steps: int) -> None:
    """Steepest descent until it doesn't go down any more."""
    atoms, free = side.atoms, free_atoms(side.atoms)
    weights = np.sqrt(atoms.get_masses()[free])[:, None]
    energy, step = float(atoms.get_potential_energy()), length
    side.path.append(atoms.get_positions())
    for _ in range(steps):
        slope = atoms.get_forces()[free] / weights
        steepness = np.linalg.norm(slope)
        if steepness == 0 or step < _FINEST * length:
            break
        before = atoms.get_positions()
        atoms.positions[free] += step * slope / steepness / weights
        now = float(atoms.get_potential_energy())
        if now > energy:
            atoms.set_positions(before, apply_constraint=False)
            step /= 2
            continue
        energy, step = now, min(1.5 * step, length)
        side.path.append(atoms.get_positions())
