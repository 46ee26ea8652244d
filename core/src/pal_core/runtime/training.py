"""Host of members that train: pulls epochs, publishes weights, ends rounds when new labels are there."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

import numpy as np

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.kernels import Epoch, Model, State, Stop
from pal_core.runtime.checkpoint import (
    load_state,
    member_snapshot,
    newest_weights,
    prune_rounds,
    round_file,
    save_state,
)
from pal_core.runtime.host import Host, close_all
from pal_core.settings.model import TrainingTable

__all__ = ["TrainingHost"]

TELL_EVERY = 0.25
"""Seconds between two `EpochDone` of a member."""


@dataclass
class _Member:
    """A member in training."""

    model: Model
    version: int = 0
    epoch: int = 0
    epochs_in_round: int = 0
    unpublished: int = 0
    told: float = 0.0
    metrics: dict[str, float] = field(default_factory=dict)
    epochs: Iterator[Epoch | Stop] | None = None

    def rest(self) -> None:
        """Train no further in this round."""
        if isinstance(self.epochs, Generator):
            self.epochs.close()
        self.epochs = None


class TrainingHost(Host):
    """Members that train on one rank, an epoch of each in turn.

    A round trains on all labels so far. It ends when every member's `train` is exhausted, or when new labels are there
    and every member has had `min_epochs`, or at the limits of the first and of the last round.
    """

    table = "model"

    @property
    def options(self) -> TrainingTable:
        """The table ``[training]``."""
        table = self.setup.loaded.settings.training
        assert table is not None  # noqa: S101 - a plan has training hosts only with this table
        return table

    def build(self) -> Batch | None:
        """Construct the members."""
        self._members: dict[int, _Member] = {}
        self._pending: list[m.Train] = []
        self._round = 0
        self._in_round = False
        self._finish: float | None = None
        self._done = False
        self._turn = 0
        self._saved = time.monotonic()
        for index in self.part.indices:
            self._members[index] = _Member(self.setup.build(self.kernel, self.context(index)))
        self._restored = False
        return None

    def take(self, sender: str, message: m.Message) -> None:
        """Take labels, or the wish to come to an end."""
        match message:
            case m.Train():
                self._pending.append(message)
            case m.Finish(limit):
                self._finish = time.monotonic() + limit

    def step(self, now: float) -> bool:
        """Train one epoch of one member, or change rounds."""
        with self.guarded():
            return not self._done and self._advance(now)
        return False

    def _advance(self, now: float) -> bool:
        late = self._finish is not None and now > self._finish
        if self._in_round:
            if late or self._over() or (self._pending and self._had(self.options.min_epochs)):
                self._end_round()
                return True
        elif self._pending and not late:
            self._begin_round()
            return True
        elif self._finish is not None:
            self._done = True
            self.post("manager", m.Trained())
            return False
        else:
            return False
        self._epoch(now)
        if now - self._saved > self.setup.loaded.settings.run.snapshot_every:
            self.save()
            self._saved = now
        return True

    def _over(self) -> bool:
        """Whether every member has had enough of this round: by its own judgement, or because walkers wait for it."""
        first = self._round == 1 and self._finish is None and self._had(self.options.first_epochs)
        return first or all(k.epochs is None for k in self._members.values())

    def _had(self, epochs: int) -> bool:
        active = [k for k in self._members.values() if k.epochs is not None]
        return all(k.epochs_in_round >= epochs for k in active)

    def _begin_round(self) -> None:
        pending, self._pending = self._pending, []
        batch = Batch.concat([p.batch for p in pending])
        validation = np.concatenate([p.validation for p in pending])
        self._round = pending[-1].round
        for member in self._members.values():
            member.model.extend(batch, validation)
        if not self._restored:
            self._restore()
        self.post("manager", m.RoundBegan(self._round))
        for member in self._members.values():
            member.epochs = iter(member.model.train())
            member.epochs_in_round = 0
        self._in_round = True

    def _restore(self) -> None:
        """Go on from the snapshots of an earlier part of the run, now that the data are there."""
        self._restored = True
        for index, member in self._members.items():
            # Predictors begin with the newest weights on disk: versions go on from theirs, or news would look old.
            weights, member.version = newest_weights(self.setup.directory, index)
            path = member_snapshot(self.setup.directory, index)
            if path.exists():
                state, notes = load_state(path)
                member.model.restore(state)
                member.epoch = int(notes["epoch"])
                if int(notes["version"]) >= member.version:
                    member.version = int(notes["version"])
                    self._publish(index, member)
            elif weights is not None:
                member.model.load(weights)

    def _epoch(self, now: float) -> None:
        active = [i for i, k in self._members.items() if k.epochs is not None]
        index = active[self._turn % len(active)]
        self._turn += 1
        member = self._members[index]
        assert member.epochs is not None  # noqa: S101 - chosen so
        result = next(member.epochs, None)
        if result is None:
            member.epochs = None
            return
        if isinstance(result, Stop):
            self.post("manager", m.TrainerAsksStop(index, result.reason))
            member.rest()
            return
        member.epoch, member.metrics = result.number, dict(result.metrics)
        member.epochs_in_round += 1
        member.unpublished += 1
        if member.unpublished >= self.options.publish_every:
            self._publish(index, member)
        if now - member.told > TELL_EVERY:
            member.told = now
            self.post("manager", m.EpochDone(index, member.version, member.epoch, member.metrics))
        self.count(epochs=1)

    def _publish(self, index: int, member: _Member) -> State:
        member.version += 1
        member.unpublished = 0
        state = member.model.weights()
        for host in self.setup.plan.hosts_of_member(index):
            self.post(host, m.Weights(index, member.version, state))
        return state

    def _end_round(self) -> None:
        for index, member in self._members.items():
            member.rest()
            state = self._publish(index, member)
            notes = {"version": str(member.version), "epoch": str(member.epoch), "kernel": self.kernel.spec.name}
            save_state(round_file(self.setup.directory, index, self._round), state, notes)
            prune_rounds(self.setup.directory, index, self.options.checkpoints)
        self._in_round = False
        members = self._members
        self.post(
            "manager",
            m.RoundEnded(
                self._round,
                tuple(members),
                tuple(k.version for k in members.values()),
                tuple(k.epoch for k in members.values()),
                tuple(k.metrics for k in members.values()),
            ),
        )

    def save(self) -> None:
        """Write every member's snapshot."""
        for index, member in self._members.items():
            if member.version or member.epoch:
                notes = {"version": str(member.version), "epoch": str(member.epoch)}
                save_state(member_snapshot(self.setup.directory, index), member.model.snapshot(), notes)

    def close(self) -> None:
        """Close the members."""
        close_all([k.model for k in getattr(self, "_members", {}).values()])
