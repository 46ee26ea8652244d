"""Weights that a run goes on with: those of the last training round on disk, or of the snapshot set if it is newer."""

from __future__ import annotations

from dataclasses import dataclass

from pal_core.kernels import State
from pal_core.runtime.checkpoint import load_state, round_file, rounds_on_disk
from pal_core.runtime.host import Setup

__all__ = ["Held", "newest_weights"]


@dataclass(frozen=True)
class Held:
    """Weights of a member and their version; None and 0 before any."""

    weights: State | None = None
    version: int = 0


def newest_weights(setup: Setup, member: int) -> Held:
    """A member's weights when the run goes on.

    A run that repeats itself goes on from its snapshot set alone: later rounds will be repeated.
    """
    kernel = f"weights/{member}"
    saved = Held(setup.past.state(kernel), int(setup.past.notes(kernel).get("version", 0)))
    rounds = rounds_on_disk(setup.directory, member)
    if setup.repeats or not rounds:
        return saved
    weights, notes = load_state(round_file(setup.directory, member, rounds[-1]))
    last = Held(weights, int(notes["version"]))
    return saved if saved.weights is not None and saved.version > last.version else last
