"""ASE code turned inside out: a calculator that hands geometries out and waits for what comes back.

An ASE algorithm calls its calculator; a walker of PAL is called and gives a geometry. Here the algorithm runs in a
greenlet. When it calls the calculator, the greenlet is left with the geometry in hand; when the feedback is there, it
is entered again and `calculate` returns. So any number of algorithms stand still in one process, each in the middle
of its own call stack, at the price of a function call.

An algorithm that needs several geometries at once asks for them together and they are predicted in one turn: the images
of a band by `InsideOutCalculator.prefetch`, displacements by `Conversation.ask_all`, and functions that know nothing of
each other by `Conversation.together`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes
from ase.stress import full_3x3_to_voigt_6_stress
from greenlet import GreenletExit, getcurrent, greenlet
from numpy.typing import NDArray
from pal_core.kernels import Feedback

__all__ = ["Band", "Conversation", "InsideOutCalculator"]


@dataclass(frozen=True)
class Band:
    """Geometries that are predicted together.

    Parameters
    ----------
    images : tuple of Atoms
        Live and not copies.
    label : tuple of bool or None
        For each, whether it is to be labelled; see `pal_core.kernels.Proposal`.
    anchor : int or None
        The geometry that the function can begin anew at, as after every single one; None if there is none.
    lenient : bool
        Whether they needn't be trusted: they neither cost a walker its patience nor restore it.
    """

    images: tuple[Atoms, ...]
    label: tuple[bool | None, ...]
    anchor: int | None = None
    lenient: bool = False


class Conversation:
    """A function that asks for predictions, and the walker that answers.

    Parameters
    ----------
    function : callable
        Called without arguments in a greenlet of its own; asks by `ask` and `ask_all`, usually through an
        `InsideOutCalculator`.

    Notes
    -----
    What the function raises comes out of `start` or `answer` with its traceback. A conversation belongs to the thread
    that starts it.
    """

    def __init__(self, function: Callable[[], Any]) -> None:
        self._greenlet = greenlet(function)
        self._closed = False
        self.questions = 0

    def start(self) -> Atoms | Band | None:
        """First geometry that the function asks for, live and not a copy; None if it returned without asking."""
        return self._enter()

    def answer(self, feedback: Feedback | Sequence[Feedback]) -> Atoms | Band | None:
        """Give the feedback on the last geometry, or one for each of a band.

        Returns
        -------
        Atoms, Band or None
            The next one, or None if the function has returned.
        """
        return self._enter(feedback)

    def _enter(self, *values: Feedback | Sequence[Feedback]) -> Atoms | Band | None:
        self._greenlet.parent = getcurrent()
        asked: Atoms | Band | None = self._greenlet.switch(*values)
        return None if self._greenlet.dead else asked

    def ask_all(
        self,
        images: Iterable[Atoms],
        label: bool | Sequence[bool | None] | None = None,
        anchor: int | None = None,
        *,
        lenient: bool = False,
    ) -> list[Feedback]:
        """Leave the function with several geometries, which are predicted in one turn; called from inside.

        Parameters
        ----------
        images : iterable of Atoms
        label : bool, None, or one for each image
            Whether they are to be labelled; None leaves it to the selection.
        anchor : int, optional
            The image that the function may be begun anew at.
        lenient : bool
            Whether they needn't be trusted.

        Returns
        -------
        list of Feedback
            In the order of the images.
        """
        images = tuple(images)
        labels = (label,) * len(images) if label is None or isinstance(label, bool) else tuple(label)
        return list(self._leave(Band(images, labels, anchor, lenient))) if images else []

    def ask(self, atoms: Atoms) -> Feedback:
        """Leave the function with a geometry; called from inside.

        Raises
        ------
        RuntimeError
            From outside the function or from another thread.
        GreenletExit
            In clean-up code of a function that is given up.
        """
        feedback: Feedback = self._leave(atoms)
        return feedback

    def _leave(self, asked: Atoms | Band) -> Any:
        if self._closed:
            raise GreenletExit
        if getcurrent() is not self._greenlet:
            raise RuntimeError(
                "a walker's calculator was called from outside the function that it belongs to, or from another "
                "thread (NEB(parallel=True) makes threads; leave it out)"
            )
        self.questions += 1
        return self._greenlet.parent.switch(asked)

    def together(self, functions: Iterable[Callable[[Conversation], Any]]) -> None:
        """Run functions side by side: what they ask for goes out together, until the last one has returned.

        Parameters
        ----------
        functions : iterable of callable
            Each is called with a conversation of its own, for its calculators.
        """
        talks = [_beside(function) for function in functions]
        try:
            asked = {talk: talk.start() for talk in talks}
            while open_ := {talk: what for talk, what in asked.items() if what is not None}:
                asked = self._ask_for(open_)
        finally:
            for talk in talks:
                talk.close()

    def _ask_for(self, asked: dict[Conversation, Atoms | Band]) -> dict[Conversation, Atoms | Band | None]:
        """Ask in one turn for what several others ask for; what they ask for next."""
        bands = {talk: what if isinstance(what, Band) else Band((what,), (None,)) for talk, what in asked.items()}
        images = [image for band in bands.values() for image in band.images]
        found = iter(self.ask_all(images, [label for band in bands.values() for label in band.label]))
        answers = {talk: [next(found) for _ in band.images] for talk, band in bands.items()}
        return {t: t.answer(a if isinstance(asked[t], Band) else a[0]) for t, a in answers.items()}

    def close(self) -> None:
        """Give the function up; its `finally` blocks and context managers run."""
        self._closed = True
        if self._greenlet and not self._greenlet.dead:
            self._greenlet.parent = getcurrent()
            self._greenlet.throw(GreenletExit)


def _beside(function: Callable[[Conversation], Any]) -> Conversation:
    talk = Conversation(lambda: function(talk))
    return talk


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
    deviation : dict
        Standard deviations over the committee of the last energy (eV) and of the force that is least certain (eV/Å), as
        ``energy_std`` and ``forces_std``; None where it gave none.
    version : int
        Of the committee that gave the last results.
    """

    def __init__(self, conversation: Conversation, stress: bool = False) -> None:
        super().__init__()
        self.implemented_properties = ["energy", "free_energy", "forces", *(["stress"] if stress else [])]
        self.feedback: Feedback | None = None
        self.deviation: dict[str, float | None] = {}
        self.version = 0
        self._conversation = conversation
        self._stress = stress
        self.use_cache = False  # `calculate` keeps the atoms itself; one copy is enough

    @property
    def conversation(self) -> Conversation:
        """Whom it asks."""
        return self._conversation

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
        self.results: dict[str, Any] = {}
        self._take(self._conversation.ask(atoms if atoms is not None else self.atoms))

    def prefetch(self, images: Iterable[Atoms], beside: Sequence[Atoms] = ()) -> list[Feedback]:
        """Ask in one turn for all images whose last calculation was of another geometry.

        Methods with several images then find their results there. Each image needs a calculator of its own, made by
        `another`.

        Parameters
        ----------
        images : iterable of Atoms
        beside : sequence of Atoms
            Further geometries to ask for in the same turn, such as displacements of a single image: they aren't to be
            labelled, and need no calculator.

        Returns
        -------
        list of Feedback
            On those beside.

        Raises
        ------
        ValueError
            If images share a calculator, which has room for the results of one.
        """
        stale = [image for image in images if image.calc.check_state(image) or not image.calc.results]
        if len({id(image.calc) for image in stale}) < len(stale):
            raise ValueError("images share a calculator: give each its own, atoms.calc.another()")
        labels = [*[None] * len(stale), *[False] * len(beside)]
        feedbacks = self._conversation.ask_all([*stale, *beside], labels, 0 if beside and len(stale) == 1 else None)
        for image, feedback in zip(stale, feedbacks, strict=False):
            image.calc.atoms = image.copy()
            image.calc._take(feedback)
        return feedbacks[len(stale) :]

    def _take(self, feedback: Feedback) -> None:
        self.feedback, mean = feedback, feedback.mean
        self.version = feedback.version
        self.deviation = {f"{name}_std": _size(feedback.std.get(name)) for name in ("energy", "forces")}
        energy = float(mean["energy"])
        self.results = {"energy": energy, "free_energy": energy, "forces": np.array(mean["forces"], np.float64)}
        if self._stress:
            self.results["stress"] = full_3x3_to_voigt_6_stress(np.asarray(mean["stress"], np.float64))

    def recall(self, atoms: Atoms, results: dict[str, Any]) -> None:
        """Take `results` for those of `atoms`, as if they had just been calculated."""
        self.atoms = atoms.copy()
        self.results = dict(results)


def _size(deviation: NDArray[Any] | None) -> float | None:
    """Length of the longest vector in a standard deviation, or its value; None if there is none."""
    if deviation is None or not np.isfinite(deviation).all():
        return None
    return float(np.sqrt(np.square(deviation).sum(axis=-1)).max()) if np.ndim(deviation) else float(deviation)


def _state(atoms: Atoms) -> dict[str, Any]:
    """What a prediction depends on."""
    return {
        "positions": atoms.positions,
        "numbers": atoms.numbers,
        "cell": atoms.cell.array,
        "pbc": atoms.pbc,
        "info": (atoms.info.get("charge", 0), atoms.info.get("multiplicity", 0)),
    }
