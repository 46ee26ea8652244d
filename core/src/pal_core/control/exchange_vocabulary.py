"""Phases of the exchange machine, events that it takes, and actions that it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = [
    "Action",
    "Answered",
    "Chunk",
    "Close",
    "Closed",
    "Dismiss",
    "Event",
    "GoOn",
    "HaltHost",
    "HostBack",
    "HostHalted",
    "HostLost",
    "IllegalEventError",
    "Judge",
    "Judged",
    "PHASES",
    "Phase",
    "Predict",
    "PredictQueue",
    "Proposed",
    "Quiet",
    "Quieten",
    "RankQueue",
    "Repeat",
    "Reply",
    "RerankAsked",
    "ResumeExchange",
    "WalkersGone",
]


@dataclass(frozen=True, slots=True)
class Chunk:
    """What a generator host proposed in one message: `size` samples of so many `walkers`."""

    host: str
    seq: int
    size: int
    walkers: int


# --- events


@dataclass(frozen=True, slots=True)
class Proposed:
    """A chunk has arrived."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class WalkersGone:
    """Walkers of a host have ended by themselves; they won't propose again."""

    host: str
    walkers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Answered:
    """A prediction host has answered a batch."""

    host: str
    batch: int


@dataclass(frozen=True, slots=True)
class Judged:
    """The selection has judged a batch."""

    batch: int


@dataclass(frozen=True, slots=True)
class RerankAsked:
    """The manager wants its queue judged again."""

    request: int


@dataclass(frozen=True, slots=True)
class ResumeExchange:
    """Stepwise: one batch of walkers may leave."""


@dataclass(frozen=True, slots=True)
class Quieten:
    """End the walkers."""


@dataclass(frozen=True, slots=True)
class Close:
    """End the predictors too; comes after `Quieten`."""


@dataclass(frozen=True, slots=True)
class HostHalted:
    """A host has ended."""

    host: str


@dataclass(frozen=True, slots=True)
class HostLost:
    """The process of a host is gone."""

    host: str


@dataclass(frozen=True, slots=True)
class HostBack:
    """A lost host runs again, on another rank; a generator host counts its chunks from `seq` on."""

    host: str
    seq: int = 0


# --- actions


@dataclass(frozen=True, slots=True)
class Predict:
    """Join these chunks and send them to every host of the group."""

    batch: int
    chunks: tuple[Chunk, ...]
    group: int


@dataclass(frozen=True, slots=True)
class PredictQueue:
    """Send the samples of a re-ranking request to every host of the group."""

    batch: int
    request: int
    group: int


@dataclass(frozen=True, slots=True)
class Repeat:
    """Send a batch, or the samples of a request, again to this host, which was lost before it had answered."""

    batch: int
    host: str


@dataclass(frozen=True, slots=True)
class GoOn:
    """Let the walkers of this host, which was lost, explore again."""

    host: str


@dataclass(frozen=True, slots=True)
class Judge:
    """The committee is complete: let the selection judge the batch, and report `Judged`."""

    batch: int


@dataclass(frozen=True, slots=True)
class RankQueue:
    """The committee is complete: let the selection rank the request, and tell the manager."""

    batch: int
    request: int


@dataclass(frozen=True, slots=True)
class Reply:
    """Send the verdicts to the chunk's host."""

    batch: int
    chunk: Chunk


@dataclass(frozen=True, slots=True)
class Dismiss:
    """Forget a chunk: its walkers are being ended, or are gone, and need no answer."""

    chunk: Chunk


@dataclass(frozen=True, slots=True)
class HaltHost:
    """Tell a host to halt."""

    host: str


@dataclass(frozen=True, slots=True)
class Quiet:
    """Tell the manager that all generator hosts have halted."""


@dataclass(frozen=True, slots=True)
class Closed:
    """Tell the manager that all prediction hosts have halted: the exchange has ended."""


Event = (
    Proposed
    | WalkersGone
    | Answered
    | Judged
    | RerankAsked
    | ResumeExchange
    | Quieten
    | Close
    | HostHalted
    | HostLost
    | HostBack
)
Action = Predict | PredictQueue | Repeat | GoOn | Judge | RankQueue | Reply | Dismiss | HaltHost | Quiet | Closed

# --- phases

Phase = Literal["open", "quieting", "quiet", "closing", "closed"]

PHASES: dict[Phase, tuple[Phase, ...]] = {
    "open": ("quieting",),
    "quieting": ("quiet",),
    "quiet": ("closing",),
    "closing": ("closed",),
    "closed": (),
}
"""Which phase may follow which; the diagram in the docs is drawn from this table."""


class IllegalEventError(RuntimeError):
    """An event that the machine's state doesn't allow; carries the events before it."""
