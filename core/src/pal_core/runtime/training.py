"""Host of members that train: pulls epochs, publishes weights, ends rounds when new labels are there."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.kernels import Model, State, Stop
from pal_core.runtime.checkpoint import prune_rounds, round_file, save_state
from pal_core.runtime.host import Host, KernelError, close_all
from pal_core.runtime.members import Member, make_member
from pal_core.runtime.pool import Pool
from pal_core.runtime.snapshots import Notes, States
from pal_core.runtime.weights import Held, load_held, newest_weights
from pal_core.settings.model import TrainingTable

__all__ = ["TrainingHost"]

TELL_EVERY = 0.25
"""Seconds between two `EpochDone` of a member."""


class TrainingHost(Host):
    """Members that train on one rank, an epoch of each in turn.

    A round trains on all labels so far, or on what ``training.window`` and ``replay`` leave of them. It ends when every
    member's `train` is exhausted or its patience is at an end, or when new labels are there and every member has had
    `min_epochs`, or at the limits of the first and of the last round.
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
        self._members: dict[int, Member] = {}
        self._pending: list[m.Train] = []
        self._round = 0
        self._in_round = False
        self._finish: float | None = None
        self._done = False
        self._turn = 0
        self._newest = 0
        self._recalled = not self.times
        self._pool = Pool()
        for index in self.part.indices:
            notes = self.setup.past.notes(f"member/{index}")
            held = newest_weights(self.setup, index)
            settings = self.setup.loaded.settings
            self._members[index] = make_member(
                index, settings, self._builder(index), self._pool, held=held, notes=notes
            )
        self._restored = False
        return None

    def _builder(self, index: int) -> Callable[[int], Model]:
        def build(times: int) -> Model:
            model: Model = self.setup.build(self.kernel, replace(self.context(index), begun=times))
            return model

        return build

    def take(self, sender: str, message: m.Message) -> None:
        """Take labels, or the wish to come to an end."""
        match message:
            case m.Recall(number, batch):
                self._round = self._newest = number
                self._recalled = True
                with self.guarded():
                    if len(batch):  # a snapshot is restored only after the data of then
                        self._take_in([message])
                        self._restore()
            case m.Train():
                # One that has taken a lost rank over is told everything once it runs; what comes before would be twice.
                if self._recalled and message.round > self._newest:
                    self._newest = message.round
                    self._pending.append(message)
            case m.Moved(hosts):
                self._tell_again(hosts)
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
        new = self._take_in(pending)
        self._round = pending[-1].round
        if not self._restored:
            self._restore()
        else:
            for index, member in self._members.items():
                self._renew_or_give(index, member, new)
        if self.options.window is not None:
            self._pool.keep(reduce(np.union1d, [k.needed for k in self._members.values()]))
        self.post("manager", m.RoundBegan(self._round))
        for index, member in self._members.items():
            member.begin_round()
            self._set_off(index, member)
        self._in_round = True

    def _take_in(self, told: Sequence[m.Train | m.Recall]) -> NDArray[np.int64]:
        """Keep labels; returns their numbers in order of arrival."""
        score = np.concatenate([p.score for p in told])
        new = self._pool.add(Batch.concat([p.batch for p in told]), np.concatenate([p.validation for p in told]))
        for member in self._members.values():
            member.arrived(score)
        return new

    def _renew_or_give(self, index: int, member: Member, new: NDArray[np.int64]) -> None:
        if not member.renewal.due or self._finish is not None or member.held.weights is None:
            member.give(new)
            return
        member.renew()
        times = member.renewal.times
        self.note(f"training {index}", f"member {index} begins anew in round {self._round}, for the {times}. time")

    def _restore(self) -> None:
        """Give the labels so far, and go on from the last snapshot set."""
        self._restored = True
        past = self.setup.past
        for index, member in self._members.items():
            state, notes = past.state(f"member/{index}"), past.notes(f"member/{index}")
            member.restore(state, notes, past.state(f"given/{index}"))
            # Weights of a round that ended after the set are better than what it holds.
            newer = member.held.version > int(past.notes(f"weights/{index}").get("version", 0))
            if member.held.weights is not None and (state is None or newer):
                load_held(member.model, member.held)
                member.renewal.trial = False

    def _set_off(self, index: int, member: Member) -> None:
        try:
            member.epochs = iter(member.model.train())
        except Exception as error:
            self._faulty(index, member, error)

    # --- errors of members

    def _faulty(self, index: int, member: Member, error: Exception) -> None:
        """Treat an error by ``training.on_error``: begin the member anew with its last weights, or end the run."""
        cause = self.kernel_error(error)
        member.faults += 1
        if self.options.on_error == "stop" or member.faults > self.options.resets:
            raise cause
        count = f"{member.faults} of {self.options.resets} in a row"
        self.report(cause, f"member {index} trains on from its last weights ({count})")
        member.reset()
        member.epochs = iter(member.model.train())

    def _epoch(self, now: float) -> None:
        active = [i for i, k in self._members.items() if k.epochs is not None]
        index = active[self._turn % len(active)]
        self._turn += 1
        member = self._members[index]
        assert member.epochs is not None  # noqa: S101 - chosen so
        try:
            result = next(member.epochs, None)
        except Exception as error:
            self._faulty(index, member, error)
            return
        if result is None:
            member.epochs = None
            return
        if isinstance(result, Stop):
            self.post("manager", m.TrainerAsksStop(index, result.reason))
            member.rest()
            return
        member.epoch, member.metrics = result.number, dict(result.metrics)
        if result.whole:
            self.count(epochs=1)
            member.epochs_in_round += 1
            member.unpublished += 1
            member.watch(member.metrics)
            if self._is_due(member) and not self._publish(index, member):
                return
        if now - member.told > TELL_EVERY:
            member.told = now
            self.post("manager", m.EpochDone(index, member.held.version, member.epoch, member.metrics))

    def _is_due(self, member: Member) -> bool:
        """Whether weights are to be handed over: those of a trial aren't before it has stood the test."""
        known = member.best is not None and member.best is member.held.weights
        return member.unpublished >= self.options.publish_every and not member.renewal.trial and not known

    def _publish(self, index: int, member: Member) -> bool:
        """Hand the member's weights to prediction; False if they are not finite: then the member has begun anew."""
        state = member.weights
        broken = sorted(k for k, a in state.items() if a.dtype.kind == "f" and not np.isfinite(a).all())
        if broken:
            what = f"training of member {index} has led to weights that are not finite: {', '.join(broken[:3])}"
            self._faulty(index, member, FloatingPointError(what))
            return False
        if member.unpublished:  # else nothing has been trained since an error: that is no success
            member.faults, member.unpublished = 0, 0
        member.held = Held(state, member.held.version + 1)
        self._send(index, member.held, self.setup.plan.hosts_of_member(index))
        return True

    def _send(self, index: int, held: Held, hosts: Iterable[str]) -> None:
        for host in hosts:
            if held.weights is not None:
                self.post(host, m.Weights(index, held.version, held.weights))

    def _tell_again(self, moved: tuple[str, ...]) -> None:
        """A prediction host that was lost and runs elsewhere has missed weights."""
        for index, member in self._members.items():
            self._send(index, member.held, set(moved).intersection(self.setup.plan.hosts_of_member(index)))

    def _end_round(self) -> None:
        for index, member in self._members.items():
            member.rest()
            member.end_round()
            while not self._settled(index, member):
                """Begun anew with its last weights, which are finite; or the errors in a row end the run."""
            member.rest()
            held = member.held
            notes = {"version": str(held.version), "epoch": str(member.epoch), "kernel": self.kernel.spec.name}
            save_state(round_file(self.setup.directory, index, self._round), held.weights or {}, notes)
            prune_rounds(self.setup.directory, index, self.options.checkpoints)
        self._in_round = False
        members = self._members
        self.post(
            "manager",
            m.RoundEnded(
                self._round,
                tuple(members),
                tuple(k.held.version for k in members.values()),
                tuple(k.epoch for k in members.values()),
                tuple(k.metrics for k in members.values()),
            ),
        )

    def _settled(self, index: int, member: Member) -> bool:
        """Publish what a round has led to, unless a trial is not as good as what prediction has; False to try again."""
        try:
            return (member.renewal.trial and not self._passed(index, member)) or self._publish(index, member)
        except KernelError:
            raise
        except Exception as error:
            self._faulty(index, member, error)
            return False

    def _passed(self, index: int, member: Member) -> bool:
        """Whether a member that has begun anew is at least as good as its weights published before, or better."""
        error, before = member.errors()
        if not math.isfinite(error) and math.isfinite(before):
            raise FloatingPointError(f"member {index}, begun anew, predicts values that are not finite")
        passed = error <= before and math.isfinite(error)
        member.renewal.trial = not passed
        what = "its new weights are published" if passed else "its earlier weights go on predicting"
        self.note(
            f"training {index}", f"member {index}, begun anew: relative error {error:.3g}, before {before:.3g}: {what}"
        )
        return passed

    def states(self) -> tuple[States, Notes]:
        """Every member's training, and the weights it has published last."""
        states: dict[str, State] = {}
        notes: dict[str, dict[str, Any]] = {}
        for index, member in self._members.items():
            if member.held.weights is None:
                continue
            states[f"member/{index}"] = member.model.snapshot()
            notes[f"member/{index}"] = member.notes()
            if member.rolling is not None:
                states[f"given/{index}"] = {"numbers": member.given}
            states[f"weights/{index}"] = member.held.weights
            notes[f"weights/{index}"] = {"version": member.held.version}
        return states, notes

    def close(self) -> None:
        """Close the members."""
        close_all([k.model for k in getattr(self, "_members", {}).values()])
