"""Contracts of the kernels. A kernel knows nothing of MPI, ranks or other kernels.

Every kernel is constructed as ``Kernel(options, context)``: its validated options and a
`Context` that says which walker, member or worker it is. A class may also be used
without a package (``kernel = "my_kernels.py:MyOracle"``); then its options model is the
class attribute `Options`.
"""

from __future__ import annotations

import logging
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from pal_core import rng
from pal_core.data import Batch, Committee
from pal_core.options import KernelOptions

__all__ = [
    "Context",
    "Decision",
    "Epoch",
    "Expected",
    "Feedback",
    "Generator",
    "Kernel",
    "Label",
    "LabelCheck",
    "Model",
    "Oracle",
    "OracleFailure",
    "Proposal",
    "Sample",
    "Selection",
    "State",
    "Stop",
]

Sample = Mapping[str, NDArray[Any]]
"""One sample: field name to value, of the shapes in the sample schema."""
Label = Mapping[str, NDArray[Any]]
"""One label: field name to value, of the shapes in the label schema."""
State = Mapping[str, NDArray[Any]]
"""Weights or a snapshot: names to plain arrays (no objects). Copies, not views of live memory."""

FailureKind = Literal["unconverged", "crashed", "timeout", "invalid_input"]


def _ignore(text: str) -> None:
    """Notes go nowhere outside a run."""


@dataclass(frozen=True)
class Context:
    """What a kernel may know about where it runs.

    Parameters
    ----------
    role : str
        ``"generator"``, ``"prediction"``, ``"training"``, ``"oracle"``, ``"selection"`` or ``"check"``.
    index : int
        Number of the walker, member or oracle worker, from 0, the same however many ranks there are.
    seed : int
        The run's seed.
    directory : Path
        The run directory; kernels write below ``directory / <plugin or kernel>`` only. An oracle gets a
        scratch directory of its own that is emptied before every label.
    device : str
        ``"cpu"`` or ``"cuda:0"`` (a rank sees its own GPUs only).
    note : callable
        ``note(text)`` records a sentence in the run's log and store ("walker reset: atoms too close").
    count : int
        How many walkers, members or workers of the role the run has; 1 where nobody says.
    begun : int
        How often this member has begun anew with other initial weights (``training.reinitialise``): its streams are
        others each time.
    """

    role: str
    index: int = 0
    seed: int = 0
    directory: Path = field(default_factory=Path)
    device: str = "cpu"
    note: Callable[[str], None] = _ignore
    count: int = 1
    begun: int = 0

    def rng(self, purpose: str = "") -> np.random.Generator:
        """This kernel's own random stream; prediction and training of a member share it."""
        return rng.stream(self.seed, self._stream_role, self.index, self._purpose(purpose))

    def random_seed(self, purpose: str = "") -> int:
        """A 63-bit seed from the same source, for torch and others."""
        return rng.stream_seed(self.seed, self._stream_role, self.index, self._purpose(purpose))

    def _purpose(self, purpose: str) -> str:
        return f"{purpose}/begun {self.begun}" if self.begun else purpose

    @property
    def _stream_role(self) -> str:
        return "member" if self.role in ("prediction", "training") else self.role

    @property
    def log(self) -> logging.Logger:
        """Logger that writes to the rank's log file."""
        return logging.getLogger(f"pal.{self.role}.{self.index}")


@dataclass(frozen=True)
class Feedback:
    """What the committee says of a walker's last sample.

    Parameters
    ----------
    mean, std : mapping of str to ndarray
        Committee mean and sample standard deviation (ddof 1) of every predicted field, in the field's unit
        and shape. Views: copy what you keep.
    score : float
        The selection's measure of uncertainty, higher is less certain.
    trusted : bool
        Whether the selection deems the prediction good enough to go on with.
    selected : bool
        Whether the sample went to the oracle; False for an audit, which no walker may notice.
    version : int
        Lowest model version in the committee, 0 before any training.
    covariance : mapping of (str, str) to ndarray
        Sample covariance over the members (ddof 1, NaN for one member) of each pair of fields in the interface's
        `covariances`: shape of the second field, product of both units. Views, too.
    """

    mean: Mapping[str, NDArray[Any]]
    std: Mapping[str, NDArray[Any]]
    score: float
    trusted: bool
    selected: bool
    version: int
    covariance: Mapping[tuple[str, str], NDArray[Any]] = field(default_factory=dict)


@dataclass(frozen=True)
class Expected:
    """What the committee said of a sample when it was selected, for label checks.

    Parameters
    ----------
    mean, std : mapping of str to ndarray
        Committee mean and sample standard deviation (ddof 1, NaN for one member) of every predicted field, in the
        field's unit and shape. Views: copy what you keep.
    version : int
        Lowest model version in the committee.
    """

    mean: Mapping[str, NDArray[Any]]
    std: Mapping[str, NDArray[Any]]
    version: int = 0


@dataclass(frozen=True)
class Stop:
    """A walker's last word, or a trainer's wish to end the run."""

    reason: str = "finished"


@dataclass(frozen=True)
class Proposal:
    """A sample, and whether it is to be labelled.

    Parameters
    ----------
    sample : Sample
    label : bool or None
        None leaves it to the selection. True wants a label whatever the selection says: a result to be verified. False
        wants none: the sample would teach nothing beside another one (displacements by a hundredth of an Å).

    Notes
    -----
    A sample that is wanted goes to the oracle unless its like has been labelled already, the queue is full of others
    that may not be dropped, or the run has no oracle. Re-ranking leaves it where it is. If its like waits already,
    that one is wanted from then on, unless it is an audit's.
    """

    sample: Sample
    label: bool | None = None


@dataclass(frozen=True)
class Epoch:
    """One epoch of training, or the part of one that took a second or so.

    Parameters
    ----------
    number : int
        Epochs trained by this member so far, 1 for the first.
    metrics : mapping of str to float
        For example ``{"loss": …, "forces_mae": …, "validation_forces_mae": …}``; names starting with
        ``validation_`` are those of held-out samples, in the field's unit.
    whole : bool
        False for a part of an epoch that goes on. The engine counts and publishes whole epochs only, so that nothing
        depends on how fast they are.
    """

    number: int
    metrics: Mapping[str, float] = field(default_factory=dict)
    whole: bool = True


class OracleFailure(Exception):
    """A calculation that gave no label.

    Parameters
    ----------
    kind : {"unconverged", "crashed", "timeout", "invalid_input"}
        ``invalid_input`` is never retried: the same sample would fail anywhere.
    message : str
        One sentence for the user.
    evidence : str
        The lines of output that show it.
    """

    def __init__(self, kind: FailureKind, message: str, evidence: str = "") -> None:
        super().__init__(kind, message, evidence)  # so that it survives being pickled
        self.kind: FailureKind = kind
        self.message = message
        self.evidence = evidence

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"


class Kernel:
    """Base of all kernels: keeps its options and context."""

    Options: ClassVar[type[KernelOptions]] = KernelOptions

    def __init__(self, options: Any, context: Context) -> None:
        self.options = options
        self.context = context

    @classmethod
    def check_machine(cls, options: Any) -> None:
        """Raise a `PalError` if this machine lacks what a kernel with these options needs: a program, a licence.

        `pal check` calls it, on the machine where it is run. A run doesn't: constructors look for themselves.
        """

    def snapshot(self) -> State:
        """All that `restore` needs to go on from here; nothing for a kernel without memory."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from a snapshot."""

    def close(self) -> None:
        """Release files and processes; called once, last."""


class Generator(Kernel, ABC):
    """A walker: proposes samples and reacts to what the committee says of them."""

    @abstractmethod
    def propose(self, feedback: Feedback | Any | None) -> Sample | Proposal | Sequence[Sample | Proposal] | Stop:
        """Next sample or samples, given what became of the last ones.

        Parameters
        ----------
        feedback : Feedback, sequence of Feedback, or None
            On the last proposal: one for a sample, and a sequence of as many for a sequence, in its order. None for
            the first proposal of a new walker, and for the first one after `restore`. (It isn't typed closer, so that
            a walker of single samples may say that it takes one `Feedback`.)

        Returns
        -------
        Sample, Proposal, sequence of them, or Stop
            Several samples are predicted together, in one turn: the images of a band, displacements for a Hessian.
            They may differ in size. An empty sequence is an error, and so is one sample of them that isn't finite.
        """

    def bootstrap(self) -> Sample:
        """A plausible sample near the start, for labels before any model exists.

        Called between proposals; must not change what `propose` does, apart from its own random stream.

        Raises
        ------
        NotImplementedError
            By default: then a run needs initial data or trained weights.
        """
        raise NotImplementedError(f"{type(self).__name__} can't propose samples without a model")

    def snapshot(self) -> State:
        """All that `restore` needs to go on from here."""
        return {}

    def restore(self, state: State) -> None:
        """Go on from a snapshot.

        The next `propose` gets None and repeats the proposal that was outstanding; then the walker goes on as it
        would have without the break, to the last bit.
        """


class Model(Kernel, ABC):
    """One member of a committee: predicts in one process, trains in another."""

    @abstractmethod
    def predict(self, batch: Batch) -> Batch:
        """Predict every sample of a batch.

        Parameters
        ----------
        batch : Batch
            At least the columns of the interface's `consumes`.

        Returns
        -------
        Batch
            Of schema `produces`, same samples in the same order.
        """

    @classmethod
    def predict_together(cls, members: Sequence[Any], batch: Batch) -> list[Batch]:
        """Predict with several members of a committee: the same as each `predict`, to rounding.

        Override it where members share work, such as neighbour lists. If it raises, the members predict one by one,
        so an error stays that member's fault.

        Parameters
        ----------
        members : sequence of this class
            Of the same options, each with its own weights.
        batch : Batch

        Returns
        -------
        list of Batch
            One for each member, as `predict` gives them.
        """
        return [member.predict(batch) for member in members]

    @abstractmethod
    def weights(self) -> State:
        """All that prediction needs (parameters, normalisation, EMA applied)."""

    @abstractmethod
    def load(self, weights: State) -> None:
        """Predict with these weights from now on."""

    def extend(self, batch: Batch, validation: NDArray[np.bool_]) -> None:
        """Add labelled samples.

        Parameters
        ----------
        batch : Batch
            Columns of samples and labels.
        validation : ndarray of bool, shape (n,)
            True for samples that must not be trained on. The engine decides by the sample's content, the same
            for every member and in every run, so a sample never moves from one side to the other.
        """
        raise NotImplementedError(f"{type(self).__name__} can't be trained")

    def use(self, rows: NDArray[np.int64]) -> None:
        """Train and validate from now on only on these of the samples so far; without a call, on all.

        What an epoch costs then depends on these only, however many there are besides. Samples that come later are
        used as well, until the next call. `restore` brings back the samples in use at the time of the snapshot.
        The engine calls it before every round when ``training.window`` is set; a kernel that can leave samples out says
        so by the capability ``"use"``.

        Parameters
        ----------
        rows : ndarray of int64
            Numbers of samples in order of arrival, from 0, training and held-out ones counted alike; ascending.
        """
        raise NotImplementedError(f"{type(self).__name__} can't leave samples out")

    def train(self) -> Iterator[Epoch | Stop]:
        """Train on all data in use; yield once an epoch, at least every second or so.

        The engine takes one epoch at a time and closes the iterator when new data are there; it is exhausted when
        the kernel has converged. Weights may be asked for between epochs. A `Stop` asks the whole run to end.
        """
        raise NotImplementedError(f"{type(self).__name__} can't be trained")

    def snapshot(self) -> State:
        """State of training: weights, optimiser, schedule, random streams; not the data."""
        return self.weights()

    def restore(self, state: State) -> None:
        """Go on training from a snapshot to the last bit, after the data of then have been given by `extend`.

        They come in the same order as before, but in other portions; then comes `use`, if it was called. After a run
        was killed in the middle of a round, the labels of that round are missing, and come with the next one.
        """
        self.load(state)


class Oracle(Kernel, ABC):
    """Labels samples one at a time."""

    @abstractmethod
    def label(self, sample: Sample) -> Label:
        """Compute the label of a sample.

        Returns
        -------
        Label
            Exactly the fields of the interface's `produces`.

        Raises
        ------
        OracleFailure
            If there is no trustworthy result. Never return numbers for a calculation that failed.
        """

    def inspect(self, sample: Sample) -> None:
        """Refuse at start-up, without computing, what this oracle can never label.

        Raises
        ------
        OracleFailure
            Of kind ``invalid_input``.
        """


@dataclass(frozen=True)
class Decision:
    """What a selection says of a batch of n samples.

    Parameters
    ----------
    label : ndarray of bool, shape (n,)
        To be labelled by an oracle.
    trust : ndarray of bool, shape (n,)
        Good enough for the walker to go on with.
    score : ndarray of float64, shape (n,)
        Uncertainty; orders the oracle queue when it is full. Non-finite counts as most uncertain.
    """

    label: NDArray[np.bool_]
    trust: NDArray[np.bool_]
    score: NDArray[np.float64]


class Selection(Kernel, ABC):
    """Judges predictions: which samples to label, which to trust."""

    @abstractmethod
    def select(self, batch: Batch, committee: Committee) -> Decision:
        """Judge a batch. A sample with a non-finite statistic must not be trusted."""

    def rerank(self, queue: Batch, committee: Committee) -> NDArray[np.int64]:
        """Re-order queued samples after a training round.

        Parameters
        ----------
        queue : Batch
            Samples waiting for an oracle.
        committee : Committee
            Their predictions by the newest weights.

        Returns
        -------
        ndarray of int64
            Indices into `queue` of those that stay, most interesting first. By default those that `select`
            would still label, by falling score.
        """
        decision = self.select(queue, committee)
        score = np.where(np.isfinite(decision.score), decision.score, np.inf)
        order = np.argsort(-score, kind="stable")
        return order[decision.label[order]].astype(np.int64)


class LabelCheck(Kernel, ABC):
    """Admits or quarantines labels before anything is trained on them.

    `check` judges, `remember` takes in what was admitted. A check with a memory tells it by `snapshot`: a resumed run
    then judges as the uninterrupted one. Refused labels must not sway it for good: they may be computed again.
    """

    @abstractmethod
    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """Why this label should be quarantined, or None if it may be trained on.

        Parameters
        ----------
        sample, label : mapping of str to ndarray
        expected : Expected or None
            What the committee said of the sample when it was selected; None for samples that were labelled before
            there was a model.

        Returns
        -------
        str or None
            A sentence with the numbers that show it: what was found, and what is allowed.
        """

    def remember(self, sample: Sample, label: Label) -> None:
        """Learn from a label that every check of the run has let pass, to judge later ones by it."""
