"""Every message that crosses between hosts. Plain frozen records of numbers, text, arrays and batches.

Addresses are ``"manager"``, ``"exchange"`` and ``"<role>/<number>"`` with the roles generator, prediction, training,
oracle and spare. Messages are immutable; a receiver owns the arrays in them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch

__all__ = ["KINDS", "Message"]

Ints = NDArray[np.int64]
Bools = NDArray[np.bool_]
Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Message:
    """Base of all messages."""


# --- start and end, between the manager and every host


@dataclass(frozen=True, slots=True)
class Ready(Message):
    """A host has built its kernels. Generator hosts add their walkers' first samples."""

    first: Batch | None = None


@dataclass(frozen=True, slots=True)
class Broken(Message):
    """A kernel raised; the host does nothing more but end when told to."""

    kernel: str
    key: str
    what: str
    trace: str


@dataclass(frozen=True, slots=True)
class Fault(Message):
    """A kernel raised or gave nonsense, and the host has dealt with it as `remedy` says."""

    kernel: str
    key: str
    what: str
    trace: str
    remedy: str


@dataclass(frozen=True, slots=True)
class Inspect(Message):
    """To one oracle host: is there any sample among these that can never be labelled?"""

    batch: Batch


@dataclass(frozen=True, slots=True)
class Inspected(Message):
    """Problems found in an `Inspect`, one sentence each."""

    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Go(Message):
    """All hosts are ready: begin."""


@dataclass(frozen=True, slots=True)
class Halt(Message):
    """Stop working, and write your part of this snapshot set (0: of none).

    Prediction hosts first wait for these versions of their members.
    """

    versions: Mapping[str, int] = field(default_factory=dict)
    set: int = 0


@dataclass(frozen=True, slots=True)
class Halted(Message):
    """To the manager, and to the exchange from its hosts: nothing more will be sent. `set` is the one written, or 0."""

    set: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot(Message):
    """Write your part of this snapshot set, and go on. Generator hosts get it by way of the exchange."""

    set: int


@dataclass(frozen=True, slots=True)
class Saved(Message):
    """To the manager: this host's part of a snapshot set is on disk, or why it isn't."""

    set: int
    error: str = ""


@dataclass(frozen=True, slots=True)
class Leave(Message):
    """The run is over: end the process. Until then a halted host goes on receiving."""


@dataclass(frozen=True, slots=True)
class Pulse(Message):
    """About once a second from every host: share of time spent in kernels, and counters."""

    busy: float
    counts: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Note(Message):
    """A sentence for the run's journal."""

    source: str
    text: str


# --- ranks that are lost


@dataclass(frozen=True, slots=True)
class Lost(Message):
    """Manager to exchange: the process of these hosts is gone."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Take(Message):
    """Manager to an idle spare: be these hosts from now on, for the n-th time that they are replaced."""

    hosts: tuple[str, ...]
    times: int


@dataclass(frozen=True, slots=True)
class Moved(Message):
    """Manager to everyone: these hosts now live on another rank."""

    hosts: tuple[str, ...]
    rank: int


@dataclass(frozen=True, slots=True)
class Back(Message):
    """Manager to exchange: a host that was lost runs again; a generator host counts its proposals from `seq` on."""

    host: str
    seq: int


# --- generators


@dataclass(frozen=True, slots=True)
class Bootstrap(Message):
    """Manager to generator host: propose this many samples without a model."""

    count: int


@dataclass(frozen=True, slots=True)
class Candidates(Message):
    """Generator host to manager: the samples asked for by `Bootstrap`."""

    walkers: Ints
    batch: Batch


@dataclass(frozen=True, slots=True)
class Explore(Message):
    """Manager to exchange, and exchange to generator hosts: walkers may set off."""


@dataclass(frozen=True, slots=True)
class Proposals(Message):
    """Generator host to exchange: what its walkers have ready. `seq` counts these messages per host.

    `walkers` says of every sample whose it is, and `wish` whether it is to be labelled: 1 whatever the selection says,
    -1 not at all, 0 as it says. The samples of a walker stand together.
    """

    seq: int
    walkers: Ints
    batch: Batch
    wish: Ints


@dataclass(frozen=True, slots=True)
class Verdicts(Message):
    """Exchange to generator host: the answer to one `Proposals`, sample by sample.

    `covariances` has a column for every pair of fields in the interface of the walkers, if there are any.
    """

    seq: int
    mean: Batch
    std: Batch
    score: Floats
    trusted: Bools
    selected: Bools
    version: int
    covariances: Batch | None = None


@dataclass(frozen=True, slots=True)
class WalkersEnded(Message):
    """Generator host to exchange, and on to the manager: these walkers have stopped by themselves.

    Or they are `disabled`, after too many errors.
    """

    walkers: tuple[int, ...]
    reasons: tuple[str, ...]
    disabled: bool = False


# --- prediction


@dataclass(frozen=True, slots=True)
class Predict(Message):
    """Exchange to every host of a committee, which predicts it with these versions of its members or newer ones."""

    batch_id: int
    batch: Batch
    versions: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Predicted(Message):
    """Prediction host to exchange: outputs of its members, with the versions they had."""

    batch_id: int
    members: tuple[int, ...]
    versions: tuple[int, ...]
    outputs: tuple[Batch, ...]


@dataclass(frozen=True, slots=True)
class Weights(Message):
    """Training host to prediction hosts, directly. Only the newest version of a member counts."""

    member: int
    version: int
    state: Mapping[str, NDArray[Any]]


# --- exchange and manager


@dataclass(frozen=True, slots=True)
class Selected(Message):
    """Exchange to manager: samples to label, most recent last, with their origin and what the committee predicts.

    Those of an `audit` were trusted, and are labelled to tell how good predictions are.
    """

    walkers: Ints
    score: Floats
    version: int
    batch: Batch
    mean: Batch
    std: Batch
    wanted: Bools
    audit: bool = False


@dataclass(frozen=True, slots=True)
class Progress(Message):
    """Exchange to manager: samples predicted, and chosen by the selection alone, since the last such message."""

    predicted: int
    selected: int
    batches: int


@dataclass(frozen=True, slots=True)
class Rerank(Message):
    """Manager to exchange: judge these queued samples again with the newest weights."""

    request: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Ranked(Message):
    """Exchange to manager: indices into the `Rerank` batch that stay, most interesting first."""

    request: int
    kept: Ints


@dataclass(frozen=True, slots=True)
class Resume(Message):
    """Manager to exchange (serial schedule): predict one batch, with these versions of the members or newer ones."""

    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Quiet(Message):
    """Manager to exchange: answer what is in flight, then end the walkers, which write this snapshot set."""

    set: int


@dataclass(frozen=True, slots=True)
class Close(Message):
    """Manager to exchange: end the predictors, once they have these versions of their members, and then yourself."""

    versions: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class WalkersQuiet(Message):
    """Exchange to manager: every generator host has halted."""


# --- oracles


@dataclass(frozen=True, slots=True)
class Label(Message):
    """Manager to oracle host: label this one sample."""

    request: int
    attempt: int
    batch: Batch


@dataclass(frozen=True, slots=True)
class Labelled(Message):
    """Oracle host to manager: the label of `request`, and the seconds it took."""

    request: int
    attempt: int
    batch: Batch
    seconds: float


@dataclass(frozen=True, slots=True)
class LabelFailed(Message):
    """Oracle host to manager: no label, and why."""

    request: int
    attempt: int
    failure: str
    text: str
    evidence: str
    seconds: float


@dataclass(frozen=True, slots=True)
class KeepScratch(Message):
    """Manager to oracle host, before its next `Label`: the label of `request` was refused, keep how it came about."""

    request: int


# --- training


@dataclass(frozen=True, slots=True)
class Recall(Message):
    """Manager to training host, first of all: the labels that rounds up to this one have been trained on."""

    round: int
    batch: Batch
    validation: Bools
    score: Floats


@dataclass(frozen=True, slots=True)
class Train(Message):
    """Manager to training host: more labels; a new round begins as soon as `min_epochs` of the current one are over.

    `score` is the uncertainty by which they were selected, NaN where it isn't known.
    """

    round: int
    batch: Batch
    validation: Bools
    score: Floats


@dataclass(frozen=True, slots=True)
class Finish(Message):
    """Manager to training host: end the current round by itself or after `limit` seconds, then begin no other."""

    limit: float


@dataclass(frozen=True, slots=True)
class RoundBegan(Message):
    """Training host to manager: the labels of `round` (and of those before) are being trained on."""

    round: int


@dataclass(frozen=True, slots=True)
class RoundEnded(Message):
    """Training host to manager: its members' weights of `round` are published and on disk."""

    round: int
    members: tuple[int, ...]
    versions: tuple[int, ...]
    epochs: tuple[int, ...]
    metrics: tuple[Mapping[str, float], ...]


@dataclass(frozen=True, slots=True)
class Trained(Message):
    """Training host to manager: answer to `Finish`; no round is running any more."""


@dataclass(frozen=True, slots=True)
class EpochDone(Message):
    """Training host to manager, now and then: how training goes."""

    member: int
    version: int
    epoch: int
    metrics: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class TrainerAsksStop(Message):
    """Training host to manager: a member wants the run to end."""

    member: int
    reason: str


KINDS: dict[str, type[Message]] = {cls.__name__: cls for cls in Message.__subclasses__()}
"""Message classes by name, as they stand in the wire format."""
