"""A tiny engine: answers proposals from an ASE calculator, as a committee would."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
from ase.calculators.calculator import Calculator, all_changes
from ase.calculators.emt import EMT
from pal_core.kernels import Feedback, Generator, Proposal, Sample, Stop

from pal_ase.codec import sample_to_atoms


class FreshEMT(Calculator):
    """EMT without memory: its neighbour lists would make the last bits depend on earlier geometries."""

    implemented_properties = ("energy", "free_energy", "forces", "stress")

    def calculate(self, atoms=None, properties=None, system_changes=all_changes):
        super().calculate(atoms, properties, system_changes)
        emt = EMT()
        emt.calculate(self.atoms, ["energy"], all_changes)
        self.results = emt.results


class Springs(Calculator):
    """Every atom bound to its place by a spring."""

    implemented_properties = ("energy", "forces")
    stiffness = 5.0  # eV/Å²

    def __init__(self, places):
        super().__init__()
        self.places = places

    def calculate(self, atoms=None, properties=None, system_changes=None):
        super().calculate(atoms, properties, system_changes)
        arm = self.atoms.positions - self.places
        self.results = {"energy": 0.5 * self.stiffness * (arm**2).sum(), "forces": -self.stiffness * arm}


def feedback_of(sample: Sample, calculator: Any, trusted: bool = True, stress: bool = False) -> Feedback:
    atoms = sample_to_atoms(sample)
    atoms.calc = calculator
    mean = {"energy": np.array(atoms.get_potential_energy()), "forces": atoms.get_forces()}
    if stress:
        mean["stress"] = atoms.get_stress(voigt=False)
    std = {name: np.zeros_like(value) for name, value in mean.items()}
    return Feedback(mean, std, 0.0, trusted, not trusted, 1)


def spoiled(feedback: Feedback, **fields: Any) -> Feedback:
    return Feedback({**feedback.mean, **fields}, feedback.std, 0.0, True, False, 1)


class Player:
    """Plays one walker on; keeps what it proposed."""

    def __init__(self, walker: Generator, calculator: Any = None, stress: bool = False) -> None:
        self.walker = walker
        self.calculator = FreshEMT() if calculator is None else calculator
        self.stress = stress
        self.proposals: list[Sample] = []
        """Every sample, those of a band one after the other."""
        self.labels: list[bool | None] = []
        """Whether each is to be labelled; None: as the selection says."""
        self.turns: list[int] = []
        """Samples of each turn."""
        self.version = 1
        self.stop: Stop | None = None
        self._feedback: Feedback | list[Feedback] | None = None

    def play(self, turns: int = 100_000, trusted: Callable[[int], bool] = lambda k: True) -> list[Sample]:
        """Ask for further proposals until the walker stops; all samples so far. `trusted` is told the turn."""
        for _ in range(turns):
            answer = self.walker.propose(self._feedback)
            if isinstance(answer, Stop):
                self.stop = answer
                break
            band = answer if isinstance(answer, tuple) else (Proposal(answer),)
            fine = trusted(len(self.turns))
            self.turns.append(len(band))
            self.proposals += [p.sample for p in band]
            self.labels += [p.label for p in band]
            found = [self._feedback_of(p.sample, fine) for p in band]
            self._feedback = found if isinstance(answer, tuple) else found[0]
        return self.proposals

    def _feedback_of(self, sample: Sample, trusted: bool) -> Feedback:
        return replace(feedback_of(sample, self.calculator, trusted, self.stress), version=self.version)

    @property
    def positions(self) -> np.ndarray:
        return np.stack([p["positions"] for p in self.proposals])
