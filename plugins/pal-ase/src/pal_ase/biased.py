"""Langevin dynamics under a bias that samples and labels never see."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, ClassVar

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import all_changes
from pal_core.errors import PalError
from pal_core.kernels import Context, Feedback, Sample, State

from pal_ase.bias_options import BiasedOptions
from pal_ase.biases import Bias, Restraint, UncertaintyBias
from pal_ase.dynamics import LangevinWalker
from pal_ase.inside_out import Conversation, InsideOutCalculator
from pal_ase.metadynamics import Metadynamics
from pal_ase.plumed import PlumedBias

__all__ = ["BiasedCalculator", "BiasedWalker"]


class BiasedCalculator(InsideOutCalculator):
    """What the committee predicts, plus biases.

    Parameters
    ----------
    conversation : Conversation
    biases : sequence of Bias
    time : callable
        Steps of the job that belong to the geometry.
    """

    def __init__(self, conversation: Conversation, biases: Sequence[Bias], time: Callable[[], int]) -> None:
        super().__init__(conversation)
        self._biases = biases
        self._time = time

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Ask for a prediction, and add the biases."""
        super().calculate(atoms, properties, system_changes)
        feedback = self.feedback
        if feedback is None:
            raise RuntimeError("a prediction was answered without feedback")
        energy = float(feedback.mean["energy"])
        forces = np.array(feedback.mean["forces"], np.float64)
        for bias in self._biases:
            more, pull = bias.evaluate(self.atoms, feedback, self._time())
            energy += more
            forces += pull
        self.results = {"energy": energy, "free_energy": energy, "forces": forces}


class _Stepper:
    """A dynamics whose walker counts the time and moves its biases on."""

    def __init__(self, dynamics: Any, walker: BiasedWalker) -> None:
        self._dynamics, self._walker = dynamics, walker

    def step(self) -> None:
        """One step; forces on the way are those at its end."""
        self._walker.stepping = True
        self._dynamics.step()
        self._walker.moved(self._dynamics.atoms)


class BiasedWalker(LangevinWalker):
    """Langevin dynamics with restraints, metadynamics, PLUMED, and a bias to where the committee disagrees.

    Notes
    -----
    Proposals are plain geometries, feedback and labels those of the committee and the oracle: the bias acts on the
    dynamics alone. After a reset the time, and with it a moving restraint and its work, goes back to where it stood at
    the last trusted frame; hills stay. Every job begins at time 0 without hills.
    """

    Options = BiasedOptions
    kernel: ClassVar[str] = "ase.biased-md"

    def __init__(self, options: BiasedOptions, context: Context) -> None:
        super().__init__(options, context)
        for key, variable in options.variables():
            for k, atoms in enumerate(self.structures):
                if max(variable.indices) >= len(atoms):
                    raise PalError(
                        f"{self.kernel}: {key}: {variable.kind} names atom {max(variable.indices)}, but frame {k} of "
                        f"{options.structure} has {len(atoms)}",
                        "atoms are counted from 0",
                    )
        self.biases = self._new_biases()
        self.time = 0
        self.stepping = False
        self._trusted_time = 0
        self._trusted_work = np.zeros(len(self._moving))

    def moved(self, atoms: Atoms) -> None:
        """A step has been made, to this geometry."""
        self.stepping = False
        self.time += 1
        for bias in self.biases:
            bias.advance(atoms, self.time)
        if self.time == self._trusted_time:
            self._trusted_work = np.array([bias.work for bias in self._moving])

    @property
    def _moving(self) -> list[Restraint]:
        return [bias for bias in self.biases if isinstance(bias, Restraint) and bias.moving]

    def _new_biases(self) -> list[Bias]:
        o = self.options
        thermal = units.kB * o.temperature
        biases: list[Bias] = [Restraint(r) for r in o.restraints]
        if o.metadynamics is not None:
            biases.append(Metadynamics(o.metadynamics, thermal))
        if o.uncertainty is not None:
            biases.append(UncertaintyBias(o.uncertainty))
        if o.plumed is not None:
            folder = self.context.directory / "plumed" / f"walker-{self.context.index:03d}"
            biases.append(PlumedBias(o.plumed, self.context.index, folder, o.timestep, thermal))
        return biases

    def _calculator(self, talk: Conversation) -> InsideOutCalculator:
        return BiasedCalculator(talk, self.biases, self._present)

    def _present(self) -> int:
        return self.time + self.stepping

    def _dynamics(self, atoms: Atoms) -> Any:
        return _Stepper(super()._dynamics(atoms), self)

    def _take(self, samples: Sequence[Sample], feedbacks: Sequence[Feedback]) -> str | None:
        if all(feedback.trusted for feedback in feedbacks):
            self._trusted_time = self._present()
        return super()._take(samples, feedbacks)

    def _prepare(self, trusted: Sample | None) -> Atoms:
        self.stepping = False
        if not self._restored:
            if trusted is None:
                self._trusted_time, self._trusted_work = 0, np.zeros(len(self._moving))
            self.time = self._trusted_time
            for bias, work in zip(self._moving, self._trusted_work, strict=True):
                bias.work = float(work)
        return super()._prepare(trusted)

    def _close_job(self) -> None:
        self._write_hills()
        super()._close_job()
        work = sum(bias.work for bias in self._moving)
        if work:
            self.context.note(f"walker {self.context.index}: moving restraints have done {work:.4f} eV of work")
        for bias in self.biases:
            bias.begin()

    def _write_hills(self) -> None:
        name = f"walker-{self.context.index:03d}-job-{self.counts.runs:03d}.txt"
        for bias in self.biases:
            if isinstance(bias, Metadynamics) and len(bias.heights):
                bias.write(self.context.directory / "hills" / name)

    def close(self) -> None:
        """Write down the hills so far, and close as all walkers."""
        self._write_hills()
        super().close()

    def snapshot(self) -> State:
        """As of `ase.langevin`, with the time, the hills and the work so far."""
        state = dict(super().snapshot())
        state["time"] = np.array([self.time, self._trusted_time], np.int64)
        state["trusted_work"] = self._trusted_work.copy()
        for k, bias in enumerate(self.biases):
            state |= {f"bias.{k}.{name}": value for name, value in bias.snapshot().items()}
        return state

    def restore(self, state: State) -> None:
        """Go on exactly as the walker would have that gave the snapshot."""
        super().restore(state)
        self.time, self._trusted_time = (int(n) for n in state["time"])
        self._trusted_work = np.array(state.get("trusted_work", self._trusted_work), np.float64)
        for k, bias in enumerate(self.biases):
            start = f"bias.{k}."
            bias.restore({name[len(start) :]: value for name, value in state.items() if name.startswith(start)})
