"""Weights that a run goes on with: those of the last training round on disk, or of the snapshot set if it is newer.

Before there are any, those of another run, if the settings name one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pal_core.kernels import Model, State
from pal_core.runtime.checkpoint import load_state, round_file, rounds_on_disk
from pal_core.runtime.host import Setup
from pal_core.runtime.starting import check_weights, read_start

__all__ = ["Held", "load_held", "newest_weights"]


@dataclass(frozen=True)
class Held:
    """Weights of a member and their version; None and 0 before any.

    Weights of another run that haven't been trained here have version 0, and say which file they are from.
    """

    weights: State | None = None
    version: int = 0
    file: Path | None = None


def newest_weights(setup: Setup, member: int) -> Held:
    """A member's weights when the run goes on.

    A run that repeats itself goes on from its snapshot set alone: later rounds will be repeated.
    """
    kernel = f"weights/{member}"
    saved = Held(setup.past.state(kernel), int(setup.past.notes(kernel).get("version", 0)))
    rounds = rounds_on_disk(setup.directory, member)
    if setup.repeats or not rounds:
        return _start(setup, member) if saved.weights is None else saved
    weights, notes = load_state(round_file(setup.directory, member, rounds[-1]))
    last = Held(weights, int(notes["version"]))
    return saved if saved.weights is not None and saved.version > last.version else last


def _start(setup: Setup, member: int) -> Held:
    if setup.loaded.start is None:
        return Held()
    weights, file = read_start(setup.loaded.start, member, setup.loaded.model.spec.name)
    return Held(weights, 0, file)


def load_held(model: Model, held: Held) -> None:
    """Let a new model predict with these weights, if there are any.

    Raises
    ------
    StartError
        If those of another run don't fit it.
    """
    if held.weights is None:
        return
    if held.file is not None:
        check_weights(model, held.weights, held.file)
    model.load(held.weights)
