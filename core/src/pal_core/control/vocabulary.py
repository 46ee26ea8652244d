"""Events that the manager machine takes, and actions that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Abandon",
    "Action",
    "AskBootstrap",
    "AskRerank",
    "CloseExchange",
    "CommitSet",
    "Discard",
    "Dispatch",
    "Event",
    "FinishTraining",
    "Finished",
    "Forgo",
    "HaltHost",
    "HostFailed",
    "HostHalted",
    "HostReady",
    "HostsLost",
    "InspectFirst",
    "Inspected",
    "Keep",
    "LabelArrived",
    "LabelMissed",
    "MemberAsksStop",
    "Outcome",
    "Predicted",
    "QuarantineSample",
    "QueueRanked",
    "QuietenExchange",
    "Release",
    "Replace",
    "Restart",
    "ResumeWalkers",
    "ReturnToQueue",
    "RoundOver",
    "RoundStarted",
    "SampleArrived",
    "SampleKnown",
    "StartHosts",
    "StartWalkers",
    "StateSaved",
    "StopAsked",
    "TakeSet",
    "Tick",
    "TrainingOver",
    "WalkersEnded",
    "WalkersQuiet",
    "Welcome",
]

Outcome = Literal["done", "interrupted", "failed"]

# --- events


@dataclass(frozen=True, slots=True)
class HostReady:
    """A host has built its kernels."""

    host: str


@dataclass(frozen=True, slots=True)
class HostFailed:
    """A kernel of this host raised."""

    host: str
    what: str


@dataclass(frozen=True, slots=True)
class Inspected:
    """An oracle has looked at the walkers' first samples; problems are fatal."""

    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class SampleArrived:
    """A sample to label, already numbered by the shell; `size` is what its label's duration depends on (atoms).

    One of an `audit` is never dropped for its score, nor trained on.
    One that its walker `wanted` is dropped only if the queue is full of others that may not be dropped.
    """

    sample: int
    walker: int
    score: float
    bootstrap: bool = False
    size: int = 1
    audit: bool = False
    wanted: bool = False


@dataclass(frozen=True, slots=True)
class SampleKnown:
    """A sample has arrived whose like has been labelled or waits already: the shell has dropped it.

    If its walker wants it, `wanted` is the one that waits, which may not be dropped from now on.
    """

    bootstrap: bool = False
    wanted: int | None = None


@dataclass(frozen=True, slots=True)
class LabelArrived:
    """An oracle has answered; `admitted` says whether the label checks let it pass.

    `lost`: the label has come, but its host is gone.
    """

    host: str
    sample: int
    admitted: bool = True
    attempt: int | None = None
    seconds: float | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class LabelMissed:
    """An oracle has failed on a sample; `final` failures (invalid input) are not retried.

    `lost`: not only the attempt has failed, the host is gone.
    """

    host: str
    sample: int
    final: bool = False
    attempt: int | None = None
    lost: bool = False


@dataclass(frozen=True, slots=True)
class HostsLost:
    """The process of these hosts has died or hangs; they were all of its hosts, none if it was an idle spare.

    Their `walkers` will live again from their snapshots, also those that had ended.
    """

    hosts: tuple[str, ...]
    why: str
    walkers: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class StateSaved:
    """A host's part of a snapshot set is on disk; or it could not be written."""

    host: str
    set: int
    written: bool = True


@dataclass(frozen=True, slots=True)
class Predicted:
    """The exchange has predicted so many samples, and selected so many of them. In the serial schedule: and waits."""

    samples: int
    selected: int


@dataclass(frozen=True, slots=True)
class WalkersEnded:
    """Walkers have stopped by themselves, or have been disabled after too many errors."""

    walkers: tuple[int, ...]
    reason: str
    disabled: bool = False


@dataclass(frozen=True, slots=True)
class MemberAsksStop:
    """A trainer wants the run to end."""

    member: int
    reason: str


@dataclass(frozen=True, slots=True)
class QueueRanked:
    """The selection has ranked the samples of a re-ranking request; the others may go."""

    request: int
    kept: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class RoundStarted:
    """A training host trains on the labels of this round."""

    host: str
    round: int


@dataclass(frozen=True, slots=True)
class RoundOver:
    """A training host has published the weights of this round."""

    host: str
    round: int


@dataclass(frozen=True, slots=True)
class TrainingOver:
    """A training host will begin no further round."""

    host: str


@dataclass(frozen=True, slots=True)
class WalkersQuiet:
    """All generator hosts have halted."""


@dataclass(frozen=True, slots=True)
class HostHalted:
    """A host has halted; `saved` says whether its part of the last snapshot set is on disk."""

    host: str
    saved: bool = True


@dataclass(frozen=True, slots=True)
class StopAsked:
    """Someone outside wants the run to end soon, to be resumed later."""

    reason: str


@dataclass(frozen=True, slots=True)
class Tick:
    """Time has passed."""


# --- actions


@dataclass(frozen=True, slots=True)
class InspectFirst:
    """Let this oracle look at the walkers' first samples."""

    host: str


@dataclass(frozen=True, slots=True)
class StartHosts:
    """Tell every host to begin."""


@dataclass(frozen=True, slots=True)
class AskBootstrap:
    """Ask the walkers for so many samples without a model."""

    count: int


@dataclass(frozen=True, slots=True)
class StartWalkers:
    """Let the walkers explore."""


@dataclass(frozen=True, slots=True)
class Keep:
    """Write this new sample to the store: it waits in the queue."""

    sample: int


@dataclass(frozen=True, slots=True)
class Discard:
    """Drop these samples, new or queued."""

    samples: tuple[int, ...]
    why: Literal["queue full", "reranked", "stopping"]


@dataclass(frozen=True, slots=True)
class Dispatch:
    """Send a sample to an oracle."""

    host: str
    sample: int
    attempt: int


@dataclass(frozen=True, slots=True)
class QuarantineSample:
    """Give a sample up after its last attempt."""

    sample: int
    attempts: int


@dataclass(frozen=True, slots=True)
class ReturnToQueue:
    """These samples were being labelled when the run ended; they wait again."""

    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Release:
    """Send these samples' labels to every training host."""

    round: int
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class AskRerank:
    """Have the queued samples judged again."""

    request: int
    samples: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ResumeWalkers:
    """Serial schedule: let the exchange take one turn more."""


@dataclass(frozen=True, slots=True)
class TakeSet:
    """Let every host with a state write its part of this snapshot set."""

    set: int


@dataclass(frozen=True, slots=True)
class CommitSet:
    """Every part of this snapshot set is on disk: from now on the run would go on from it."""

    set: int


@dataclass(frozen=True, slots=True)
class Replace:
    """Let a spare rank take these hosts over, and tell everyone."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Forgo:
    """These hosts are lost and won't be replaced: tell everyone."""

    hosts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Welcome:
    """A host that was lost runs again on another rank: tell the exchange, and give the host what it needs to go on."""

    host: str


@dataclass(frozen=True, slots=True)
class QuietenExchange:
    """End the walkers, which write their part of this snapshot set."""

    set: int


@dataclass(frozen=True, slots=True)
class FinishTraining:
    """Let the training hosts end their last round within the limit, in seconds."""

    limit: float


@dataclass(frozen=True, slots=True)
class CloseExchange:
    """End the predictors and the exchange."""


@dataclass(frozen=True, slots=True)
class HaltHost:
    """Tell a host to halt, and to write its part of this snapshot set; 0 for none."""

    host: str
    set: int = 0


@dataclass(frozen=True, slots=True)
class Abandon:
    """These hosts didn't answer in time: end everything by force."""

    hosts: tuple[str, ...]
    doing: str


@dataclass(frozen=True, slots=True)
class Restart:
    """The run can't go on in this process world, but from the store it can: end everything by force, start again."""

    reason: str


@dataclass(frozen=True, slots=True)
class Finished:
    """The run is over."""

    outcome: Outcome
    reason: str


Event = (
    HostReady
    | HostFailed
    | Inspected
    | SampleArrived
    | SampleKnown
    | LabelArrived
    | LabelMissed
    | HostsLost
    | StateSaved
    | Predicted
    | WalkersEnded
    | MemberAsksStop
    | QueueRanked
    | RoundStarted
    | RoundOver
    | TrainingOver
    | WalkersQuiet
    | HostHalted
    | StopAsked
    | Tick
)
Action = (
    InspectFirst
    | StartHosts
    | AskBootstrap
    | StartWalkers
    | Keep
    | Discard
    | Dispatch
    | QuarantineSample
    | ReturnToQueue
    | Release
    | AskRerank
    | ResumeWalkers
    | TakeSet
    | CommitSet
    | Replace
    | Forgo
    | Welcome
    | QuietenExchange
    | FinishTraining
    | CloseExchange
    | HaltHost
    | Abandon
    | Restart
    | Finished
)
