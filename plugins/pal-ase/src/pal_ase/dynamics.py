"""Walkers that run ASE's own molecular dynamics."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin
from ase.md.verlet import VelocityVerlet
from numpy.typing import NDArray
from pal_core import rng as streams
from pal_core.errors import PalError
from pal_core.kernels import Sample, State

from pal_ase.options import LangevinOptions, VerletOptions
from pal_ase.structures import draw_momenta, placed
from pal_ase.walker import Walker

__all__ = ["LangevinWalker", "VerletWalker"]


@dataclass(frozen=True)
class _Mark:
    """All that a step of a dynamics depends on, taken before it.

    A walker always stands in the middle of a step, waiting for forces. Rather than to save the middle of ASE's
    algorithms, a restored walker makes the first half of the step again: same positions, momenta, forces and random
    numbers, so the same geometry is proposed, to the last bit.
    """

    positions: NDArray[np.float64]
    momenta: NDArray[np.float64]
    rng: NDArray[np.uint64]
    results: dict[str, Any]

    @classmethod
    def of(cls, atoms: Atoms, rng: np.random.Generator) -> _Mark:
        return cls(atoms.get_positions(), atoms.get_momenta(), streams.get_state(rng), dict(atoms.calc.results))


class _DynamicsWalker(Walker):
    """Runs a dynamics step by step, so that there is a `_Mark` before each."""

    _mark: _Mark | None = None
    _restored: bool = False

    @abstractmethod
    def _dynamics(self, atoms: Atoms) -> Any:
        """ASE's object, with a method `step`."""

    def _hot(self) -> float:
        hot, temperature = self.options.hot, self.options.temperature
        return float(10 * temperature if hot is None else hot)

    def _run(self, atoms: Atoms) -> None:
        dynamics = self._dynamics(atoms)
        self._mark = _Mark.of(atoms, self.rng)
        if not self._at_end:
            atoms.get_forces()  # with them the next mark is complete
        while not self._at_end:
            self._mark = _Mark.of(atoms, self.rng)
            dynamics.step()
            self.counts.steps += 1

    @property
    def _at_end(self) -> bool:
        steps = self.options.steps
        return steps is not None and self.counts.steps >= self.counts.begun + steps

    def _close_job(self) -> None:
        super()._close_job()
        self._mark = None

    @property
    def _achieved(self) -> str:
        return f"{self.counts.steps} steps made"

    def _prepare(self, trusted: Sample | None) -> Atoms:
        atoms = self.start.copy() if trusted is None else placed(self.start, trusted)
        if self._restored and self._mark is not None:
            atoms.set_positions(self._mark.positions, apply_constraint=False)
            atoms.set_momenta(self._mark.momenta, apply_constraint=False)
        else:
            draw_momenta(atoms, self.options.temperature, self.rng)
        return atoms

    def _equip(self, atoms: Atoms) -> None:
        if self._restored and self._mark is not None and self._mark.results:
            atoms.calc.recall(atoms, self._mark.results)
        self._restored = False

    def snapshot(self) -> State:
        """As of all walkers, and positions, momenta and forces before the present step."""
        state = dict(super().snapshot())
        if self._mark is not None:
            results = {f"mark.{name}": np.array(value) for name, value in self._mark.results.items()}
            state |= {"rng": self._mark.rng.copy(), **results}
            state |= {"mark.positions": self._mark.positions.copy(), "mark.momenta": self._mark.momenta.copy()}
        return state

    def restore(self, state: State) -> None:
        """Go on exactly as the walker would have that gave the snapshot."""
        super().restore(state)
        mark = {name[5:]: np.array(value) for name, value in state.items() if name.startswith("mark.")}
        self._mark, self._restored = None, bool(mark)
        if not mark:
            return
        positions, momenta = mark.pop("positions"), mark.pop("momenta")
        if positions.shape != (len(self.start), 3):
            raise PalError(
                f"{self.kernel}: the snapshot of walker {self.context.index} has {len(positions)} atoms, its start "
                f"structure {len(self.start)}",
                f"was {self.options.structure} exchanged?",
            )
        results = {name: value if value.ndim else float(value) for name, value in mark.items()}
        self._mark = _Mark(positions, momenta, np.array(state["rng"], np.uint64), results)


class LangevinWalker(_DynamicsWalker):
    """Constant-temperature dynamics by ASE's Langevin integrator (Vanden-Eijnden and Ciccotti 2006, eq. 23).

    The centre of mass is thermalised like every other degree of freedom.
    """

    Options = LangevinOptions
    kernel: ClassVar[str] = "ase.langevin"

    def _dynamics(self, atoms: Atoms) -> Any:
        return Langevin(
            atoms,
            self.options.timestep * units.fs,
            temperature_K=self.options.temperature,
            friction=self.options.friction / units.fs,
            fixcm=False,
            rng=self.rng,
        )


class VerletWalker(_DynamicsWalker):
    """Constant-energy dynamics by ASE's velocity Verlet integrator."""

    Options = VerletOptions
    kernel: ClassVar[str] = "ase.verlet"

    def _dynamics(self, atoms: Atoms) -> Any:
        return VelocityVerlet(atoms, self.options.timestep * units.fs)
