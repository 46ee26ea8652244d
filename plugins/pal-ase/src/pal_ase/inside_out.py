"""ASE code turned inside out: a calculator that hands geometries out and waits for what comes back.

An ASE algorithm calls its calculator; a walker of PAL is called and gives a geometry. Here the algorithm runs in a
greenlet. When it calls the calculator, the greenlet is left with the geometry in hand; when the feedback is there, it
is entered again and `calculate` returns. So any number of algorithms stand still in one process, each in the middle
of its own call stack, at the price of a function call.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from greenlet import GreenletExit, getcurrent, greenlet
from pal_core.kernels import Feedback

__all__ = ["Conversation", "InsideOutCalculator"]


class Conversation:
    """A function that asks for predictions, and the walker that answers.

    Parameters
    ----------
    function : callable
        Called without arguments in a greenlet of its own; asks by `ask`, usually through an `InsideOutCalculator`.

    Notes
    -----
    What the function raises comes out of `start` or `answer` with its traceback. A conversation belongs to the thread
    that starts it.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._greenlet = greenlet(function)
        self._closed = False
        self.questions = 0

    def start(self) -> Atoms | None:
        """First geometry that the function asks for, live and not a copy; None if it returned without asking."""
        return self._enter()

    def answer(self, feedback: Feedback) -> Atoms | None:
        """Give the feedback on the last geometry; the next one, or None if the function has returned."""
        return self._enter(feedback)

    def _enter(self, *values: Feedback) -> Atoms | None:
        self._greenlet.parent = getcurrent()
        asked = self._greenlet.switch(*values)
        return None if self._greenlet.dead else asked

    def ask(self, atoms: Atoms) -> Feedback:
        """Leave the function with a geometry; called from inside.

        Raises
        ------
        RuntimeError
            From outside the function or from another thread.
        GreenletExit
            In clean-up code of a function that is given up.
        """
        if self._closed:
            raise GreenletExit
        if getcurrent() is not self._greenlet:
            raise RuntimeError(
                "a walker's calculator was called from outside the function that it belongs to, or from another "
                "thread (NEB(parallel=True) makes threads; leave it out)"
            )
        self.questions += 1
        feedback: Feedback = self._greenlet.parent.switch(atoms)
        return feedback

    def close(self) -> None:
        """Give the function up; its `finally` blocks and context managers run."""
        self._closed = True
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(GreenletExit)


class InsideOutCalculator(Calculator):  # type: ignore[misc]
    """An ASE calculator whose results are the committee's mean.

    Parameters
    ----------
    conversation : Conversation
    stress : bool
        Whether the committee predicts the stress.

    Attributes
    ----------
    feedback : Feedback or None
        What the last `calculate` got, with uncertainty and trust, for functions that look at it. Its arrays hold
        until the next calculation.
    """

    def __init__(self, conversation: Conversation, stress: bool = False) -> None:
        super().__init__()
        self.implemented_properties = ["energy", "free_energy", "forces", *(["stress"] if stress else [])]
        self.feedback: Feedback | None = None
        self._conversation = conversation
        self._stress = stress
        self.use_cache = False  # `calculate` keeps the atoms itself; one copy is enough

    def another(self) -> InsideOutCalculator:
        """A further calculator of the same walker, for methods that want one for every image."""
        return InsideOutCalculator(self._conversation, self._stress)

    def __copy__(self) -> InsideOutCalculator:
        return self.another()

    def __deepcopy__(self, memo: dict[int, Any]) -> InsideOutCalculator:
        return self.another()

    def check_state(self, atoms: Atoms, tol: float = 1e-15) -> list[str]:
        """What differs from the last calculation, to the bit; charge and multiplicity in `info` included.

        ASE's own comparison would be the most expensive part of a step.
        """
        if self.atoms is None:
            return list(all_changes)
        old, new = _state(self.atoms), _state(atoms)
        return [name for name, value in old.items() if not np.array_equal(value, new[name])]

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Ask for a prediction and return when it is there."""
        if atoms is not None:
            self.atoms = atoms.copy()
        self.results = {}
        self.feedback = feedback = self._conversation.ask(atoms if atoms is not None else self.atoms)
        mean = feedback.mean
        energy = float(mean["energy"])
        self.results = {"energy": energy, "free_energy": energy, "forces": np.array(mean["forces"], np.float64)}
        if self._stress:
            self.results["stress"] = full_3x3_to_voigt_6_stress(np.asarray(mean["stress"], np.float64))

    def recall(self, atoms: Atoms, results: dict[str, Any]) -> None:
        """Take `results` for those of `atoms`, as if they had just been calculated."""
        self.atoms = atoms.copy()
        self.results = dict(results)


def _state(atoms: Atoms) -> dict[str, Any]:
    """What a prediction depends on."""
    return {
        "positions": atoms.positions,
        "numbers": atoms.numbers,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "info": (atoms.info.get("charge", 0), atoms.info.get("multiplicity", 0)),
    }
