"""What all ASE-driven walkers have in common: patience, guards, bootstrap, trajectory, snapshot."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import Any, ClassVar

import numpy as np
from ase import Atoms
from numpy.typing import NDArray
from pal_core import rng as streams
from pal_core.errors import PalError
from pal_core.kernels import Context, Feedback, Generator, Proposal, Sample, State, Stop

from pal_ase.cluster_options import ClustersOptions
from pal_ase.clusters import RandomClusters, describe_cluster
from pal_ase.codec import atoms_to_sample
from pal_ase.guards import Guards
from pal_ase.inside_out import Band, Conversation, InsideOutCalculator
from pal_ase.jobs import Deal
from pal_ase.options import WalkerOptions
from pal_ase.schema import SAMPLE
from pal_ase.structures import displaced, start_structures
from pal_ase.trajectory import Trajectory

__all__ = ["Counts", "Walker"]

_TRIES = 100  # resets, or bootstrap draws, without one acceptable geometry between them
_AMPLITUDES = (0.25, 0.5, 0.75, 1.0)
_IMPATIENT = "patience is over"


@dataclass
class Counts:
    """Counters that a snapshot keeps.

    Parameters
    ----------
    predictions : int
        Feedbacks so far.
    steps : int
        Finished steps of a dynamics.
    runs : int
        Jobs done: times that the ASE code has returned.
    untrusted : int
        Untrusted predictions in a row.
    resets : int
        Resets so far.
    relapses : int
        Resets since the last trusted prediction.
    since_reset : int
        Predictions since the last reset.
    version : int
        Newest model that has predicted.
    setbacks : int
        Resets of the job at hand by this model.
    begun : int
        Finished steps when the present job began.
    """

    predictions: int = 0
    steps: int = 0
    runs: int = 0
    untrusted: int = 0
    resets: int = 0
    relapses: int = 0
    since_reset: int = 0
    version: int = 0
    setbacks: int = 0
    begun: int = 0


class Walker(Generator):
    """A walker whose geometries come from ASE code in a greenlet.

    Notes
    -----
    Every prediction is passed on, trusted or not, until more than `patience` in a row were not trusted. Then, and
    at once when a prediction is not finite or a guard refuses a geometry, the walker is reset: the running code is
    given up and begins anew at the geometry of the last trusted prediction. It begins at the start structure instead
    when there was no trusted prediction since the reset before, or when a guard refuses the very next geometry:
    that frame is not worth a third visit. With random clusters a refused geometry, or a prediction that is not finite,
    ends the job, and the next cluster's begins.

    A geometry that a guard refuses is never proposed. Several geometries that are asked for together are treated as
    one: they are trusted when all are, and any of them may lead to a reset. Their anchor counts as a trusted frame.
    """

    kernel: ClassVar[str]
    """Name of the kernel, for messages."""

    def __init__(self, options: WalkerOptions, context: Context) -> None:
        super().__init__(options, context)
        source = options.structure
        self._clusters: RandomClusters | None = None
        if isinstance(source, ClustersOptions):
            self._clusters = RandomClusters(source, context)
            self.structures = self._clusters.examples()
        else:
            self.structures = start_structures(self.kernel, source, options)
        self.rng = context.rng()
        self.counts = Counts()
        self.deal = Deal(context.index, context.count, len(self.structures), options.jobs)
        self.trusted: Sample | None = None
        self._bootstrap_rng = context.rng("bootstrap")
        self._talk: Conversation | None = None
        self._pending: Sample | tuple[Proposal, ...] | None = None
        self._anchor: int | None = None
        self._lenient = False
        path = context.directory / "trajectories" / f"walker-{context.index:03d}.extxyz"
        self._trajectory = Trajectory(path, options.trajectory)
        self._guards = self._new_guards()

    @abstractmethod
    def _run(self, atoms: Atoms) -> None:
        """The ASE code; runs in the greenlet."""

    @abstractmethod
    def _prepare(self, trusted: Sample | None) -> Atoms:
        """Atoms to begin with: at a trusted geometry, or at the start structure for None."""

    def _doubt(self) -> str | None:
        """Why `_run` must begin anew although it has returned; None: its job is done."""
        return None

    def _returned(self) -> Stop | None:
        """Go on to the next job when `_run` has returned; the walker's last word if there is none."""
        if self._talk is not None:
            self._close_job()
        return Stop(self._achieved) if self.deal.over(self.counts.runs) else None

    def _close_job(self) -> None:
        counts = self.counts
        counts.runs += 1
        counts.begun = counts.steps
        counts.untrusted = counts.relapses = counts.since_reset = counts.setbacks = 0
        self.trusted = self._talk = None
        self._guards = self._new_guards()

    @property
    def _achieved(self) -> str:
        return f"{self.counts.runs} jobs done"

    def _hot(self) -> float:
        return float(self.options.hot or 0.0)

    @property
    def start(self) -> Atoms:
        """This walker's start structure for the present job."""
        place = self.deal.structure(self.counts.runs)
        if self._clusters is not None:
            return self._clusters.start(self.counts.runs, place)
        atoms: Atoms = self.structures[place]
        return atoms

    def _new_guards(self) -> Guards:
        o = self.options
        return Guards(o.closest, o.isolated, o.spread, self._hot(), self.start, connected=o.apart)

    def propose(self, feedback: Feedback | Sequence[Feedback] | None) -> Sample | tuple[Proposal, ...] | Stop:
        """Next geometry or geometries, after the ASE code has had the prediction for the last ones."""
        if feedback is None:
            return self._pending if self._pending is not None else self._settle(self._begin())
        talk, proposed = self._talk, self._pending
        if talk is None or proposed is None:
            raise RuntimeError(f"{self.kernel}: propose() was given feedback although nothing had been proposed")
        samples = [p.sample for p in proposed] if isinstance(proposed, tuple) else [proposed]
        problem = self._take(samples, [feedback] if isinstance(feedback, Feedback) else feedback)
        return self._settle(talk.answer(feedback) if problem is None else self._reset(problem))

    def _take(self, samples: Sequence[Sample], feedbacks: Sequence[Feedback]) -> str | None:
        """Count and record the predictions of one turn; why they can't be passed on, or None."""
        counts = self.counts
        counts.since_reset += 1
        if (newest := max(f.version for f in feedbacks)) > counts.version:
            counts.version, counts.setbacks = newest, 0
        for sample, found in zip(samples, feedbacks, strict=True):
            counts.predictions += 1
            self._trajectory.record(counts.predictions, sample, found, counts.resets)
        bad = [name for name in self._needed if not all(np.isfinite(f.mean[name]).all() for f in feedbacks)]
        if bad:
            return f"predicted {' and '.join(bad)} not finite"
        if self._lenient:
            return None
        if all(f.trusted for f in feedbacks):
            self.trusted = self.trusted if self._anchor is None else samples[self._anchor]
            counts.untrusted = counts.relapses = 0
            return None
        counts.untrusted += 1
        return _IMPATIENT if counts.untrusted > self.options.patience else None

    @property
    def _needed(self) -> tuple[str, ...]:
        return tuple(self.options.interface().consumes)

    def _settle(self, asked: Atoms | Band | None) -> Sample | tuple[Proposal, ...] | Stop:
        """Turn what the ASE code asks for into a proposal; reset and run it again as often as needed."""
        problem = None
        for _ in range(_TRIES):
            if asked is None:
                self._pending, problem = None, self._doubt()
                stop = self._returned() if problem is None else None
                if stop is not None:
                    return stop
                asked = self._begin() if problem is None else self._reset(problem)
                continue
            images = asked.images if isinstance(asked, Band) else (asked,)
            problem = next(filter(None, map(self._guards.judge, images)), None)
            if problem is None:
                return self._pend(asked)
            asked = self._reset(problem)
        raise PalError(
            f"{self.kernel}: walker {self.context.index} found no acceptable geometry in {_TRIES} tries",
            f"the last problem was: {problem}",
        )

    def _pend(self, asked: Atoms | Band) -> Sample | tuple[Proposal, ...]:
        self._lenient = isinstance(asked, Band) and asked.lenient
        if isinstance(asked, Band):
            self._anchor = asked.anchor
            pairs = zip(asked.images, asked.label, strict=True)
            self._pending = tuple(Proposal(atoms_to_sample(image), label) for image, label in pairs)
        else:
            self._anchor = 0
            self._pending = atoms_to_sample(asked)
        return self._pending

    def _reset(self, problem: str) -> Atoms | Band | None:
        counts = self.counts
        if self._clusters is not None and problem is not _IMPATIENT:
            return self._leave(problem)
        hopeless = problem is not _IMPATIENT and counts.resets > 0 and counts.since_reset <= 1
        if counts.relapses or hopeless:
            self._forget()
        counts.untrusted = counts.since_reset = 0
        counts.resets += 1
        counts.setbacks += 1
        counts.relapses += 1
        place = "last trusted frame" if self.trusted is not None else "start structure"
        text = f"walker {self.context.index} goes back to its {place}: {problem}"
        if problem is _IMPATIENT:
            self.context.log.debug(text)  # everyday business, many times a second with a young model
        else:
            self.context.note(text)
        self.give_up()
        return self._begin(self.trusted)

    def _leave(self, problem: str) -> Atoms | Band | None:
        """Give up the present cluster and begin with the next one."""
        self.counts.resets += 1
        self.context.note(f"walker {self.context.index} leaves {describe_cluster(self.start)}: {problem}")
        self.give_up()
        self._close_job()
        return self._begin()

    def _forget(self) -> None:
        """Begin at the start structure next time."""
        self.trusted = None

    def _begin(self, trusted: Sample | None = None) -> Atoms | Band | None:
        """Start the ASE code; the first geometry that it asks for, or None without a job."""
        if self.deal.over(self.counts.runs):
            return None
        atoms = self._prepare(trusted)
        talk = Conversation(lambda: self._run(atoms))
        atoms.calc = self._calculator(talk)
        self._equip(atoms)
        self._talk = talk
        return talk.start()

    def _calculator(self, talk: Conversation) -> InsideOutCalculator:
        return InsideOutCalculator(talk, "stress" in self._needed)

    def _equip(self, atoms: Atoms) -> None:
        """Last touch before the ASE code starts, with the calculator in place."""

    def give_up(self) -> None:
        """Abandon the running ASE code."""
        talk, self._talk, self._pending = self._talk, None, None
        if talk is not None:
            talk.close()

    @property
    def _bootstrap_starts(self) -> Sequence[Atoms]:
        """Structures that bootstrap samples lie around."""
        return self.structures

    def _bootstrap_start(self, rng: np.random.Generator) -> Atoms:
        if self._clusters is not None:
            return self._clusters.draw(rng)
        return self._bootstrap_starts[int(rng.integers(len(self._bootstrap_starts)))]

    def bootstrap(self) -> Sample:
        """A start structure with random displacements."""
        rng, o = self._bootstrap_rng, self.options
        problem = None
        for _ in range(_TRIES):
            start = self._bootstrap_start(rng)
            atoms = displaced(start, o.rattle * rng.choice(_AMPLITUDES), rng)
            problem = Guards(o.closest, o.isolated, 0.0, 0.0, start, connected=o.apart).judge(atoms)
            if problem is None:
                return atoms_to_sample(atoms)
        raise PalError(
            f"{self.kernel}: rattle = {self.options.rattle:g} Å gave no acceptable structure in {_TRIES} tries",
            f"the last problem was: {problem}",
        )

    def snapshot(self) -> State:
        """Counters, random streams, last trusted frame, and length of the trajectory."""
        state: dict[str, NDArray[Any]] = {
            "counts": np.array(astuple(self.counts), np.int64),
            "rng": streams.get_state(self.rng),
            "bootstrap": streams.get_state(self._bootstrap_rng),
            "trajectory": np.array(self._trajectory.size, np.int64),
        }
        if self.trusted is not None:
            state |= {f"trusted.{name}": np.array(self.trusted[name]) for name in SAMPLE}
        return state

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""
        self.give_up()
        self.counts = Counts(*(int(n) for n in state["counts"]))
        streams.set_state(self.rng, state["rng"])
        streams.set_state(self._bootstrap_rng, state["bootstrap"])
        self._trajectory.rewind(int(state["trajectory"]))
        known = "trusted.numbers" in state
        self.trusted = {name: np.array(state[f"trusted.{name}"]) for name in SAMPLE} if known else None
        self._guards = self._new_guards()

    def close(self) -> None:
        """Abandon the running code and close the trajectory."""
        self.give_up()
        self._trajectory.close()
