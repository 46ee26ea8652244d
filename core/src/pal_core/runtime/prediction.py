"""Host of committee members that predict."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping, Sequence

import numpy as np

from pal_core import messages as m
from pal_core.data import Batch, SchemaError
from pal_core.data.finite import broken_samples
from pal_core.kernels import Model, State
from pal_core.runtime.host import Host, close_all
from pal_core.runtime.weights import Held, load_held, newest_weights

__all__ = ["PredictionHost"]

WEIGHTS_LIMIT = 10.0
"""Seconds that a host waits for weights announced to it before it predicts or halts without them."""


class PredictionHost(Host):
    """Members that predict on one rank. Weights are swapped between batches, the newest only."""

    table = "model"

    def build(self) -> Batch | None:
        """Construct the members, with the newest weights if the run goes on from some."""
        self._members: dict[int, Model] = {}
        self._held: dict[int, Held] = {}
        self._fresh: dict[int, m.Weights] = {}
        self._todo: deque[m.Predict] = deque()
        self._last: m.Halt | None = None
        self._deadline = 0.0
        self._faults = dict.fromkeys(self.part.indices, 0)
        self._joint_faults = 0
        for index in self.part.indices:
            self._held[index] = newest_weights(self.setup, index)
            self._members[index] = self._make(index)
        return None

    def _make(self, index: int) -> Model:
        """A member with the weights held for it."""
        model: Model = self.setup.build(self.kernel, self.context(index))
        load_held(model, self._held[index])
        return model

    def _version(self, index: int) -> int:
        return self._held[index].version

    def take(self, sender: str, message: m.Message) -> None:
        """Queue a batch, or keep the newest weights of a member."""
        match message:
            case m.Predict():
                self._todo.append(message)
                self._deadline = time.monotonic() + WEIGHTS_LIMIT
            case m.Weights(member, version, state):
                held = self._fresh.get(member)
                if version > max(self._version(member), held.version if held else 0) and self._usable(member, state):
                    self._fresh[member] = message

    def _usable(self, member: int, state: State) -> bool:
        """Whether weights are finite: others would make everything uncertain for good."""
        broken = sorted(k for k, a in state.items() if a.dtype.kind == "f" and not np.isfinite(a).all())
        if broken:
            error = FloatingPointError(f"new weights of member {member} are not finite: {', '.join(broken[:3])}")
            self.report(self.kernel_error(error), "the member predicts with its last weights")
        return not broken

    def step(self, now: float) -> bool:
        """Load fresh weights, then predict one batch."""
        if not self._todo and not self._fresh:
            self._perhaps_halt(now)
            return False
        with self.guarded():
            for member, news in self._fresh.items():
                self._load(member, news)
            self._fresh.clear()
            if self._todo and (self._has(self._todo[0].versions) or self._waits_in_vain(now)):
                self._predict(self._todo.popleft())
                return True
        return False

    def _has(self, versions: Mapping[str, int]) -> bool:
        """Whether all members of this host are as new as asked for."""
        return all(int(k) not in self._held or self._version(int(k)) >= v for k, v in versions.items())

    def _waits_in_vain(self, now: float) -> bool:
        """Whether announced weights have not come in time; a run that must be able to repeat itself ends then."""
        if now <= self._deadline:
            return False
        what = f"announced weights did not come within {WEIGHTS_LIMIT:g} s"
        if self.setup.deterministic:
            raise TimeoutError(what)
        self.note(self.address, f"{what}: older ones predict")
        return True

    def _load(self, member: int, news: m.Weights) -> None:
        try:
            self._members[member].load(news.state)
        except Exception as error:
            self._restart(member, error)
        else:
            self._held[member] = Held(news.state, news.version)

    # --- predicting, and errors of members

    def _predict(self, request: m.Predict) -> None:
        together = self._together(request.batch)
        outputs = [self._output(i, request.batch, o) for i, o in zip(self._members, together, strict=True)]
        versions = tuple(self._version(index) for index in self._members)
        answer = m.Predicted(request.batch_id, tuple(self._members), versions, tuple(outputs))
        self.post("exchange", answer)
        self.count(predicted=len(request.batch), batches=1)

    def _together(self, batch: Batch) -> Sequence[Batch | None]:
        """What the members predict in one call, if their class has one of its own; None: they are to be asked alone.

        They are asked alone for good after ``model.resets`` errors of that call in a row, which would cost time only.
        """
        members = list(self._members.values())
        alone: list[Batch | None] = [None] * len(members)
        kind, limit = type(members[0]), self.setup.loaded.settings.model.resets
        one_by_one = kind.predict_together.__func__ is Model.predict_together.__func__  # type: ignore[attr-defined]
        if len(members) == 1 or one_by_one or self._joint_faults > limit:
            return alone
        try:
            found = kind.predict_together(members, batch)
            if len(found) != len(members):
                raise SchemaError(f"predict_together gave {len(found)} predictions of {len(members)} members")
        except Exception as error:
            self._joint_faults += 1
            more = "" if self._joint_faults <= limit else " from now on"
            self.report(self.kernel_error(error), f"the members predict one by one{more}")
            return alone
        self._joint_faults = 0
        return found

    def _output(self, index: int, batch: Batch, output: Batch | None) -> Batch:
        """What a member predicts; after an error, what it predicts when begun anew, sample by sample if need be."""
        try:
            output = self._fit(self._members[index].predict(batch) if output is None else output, batch)
        except Exception as error:
            self._restart(index, error)
            output = self._piecewise(index, batch, error)
        else:
            self._faults[index] = 0
        self._look_for_nonsense(index, output)
        return output

    def _restart(self, index: int, error: Exception) -> None:
        """Treat an error by ``model.on_error``: begin the member anew with the weights held for it, or end the run."""
        options = self.setup.loaded.settings.model
        cause = self.kernel_error(error)
        self._faults[index] += 1
        if options.on_error == "stop" or self._faults[index] > options.resets:
            raise cause
        count = f"{self._faults[index]} of {options.resets} in a row"
        self.report(cause, f"member {index} predicts anew with its last weights ({count})")
        self._members[index].close()
        self._members[index] = self._make(index)

    def _piecewise(self, index: int, batch: Batch, error: Exception) -> Batch:
        """Predict in halves, so that only the samples that can't be predicted are left without: their values are NaN.

        Raises
        ------
        KernelError
            If none of several samples can be predicted.
        """
        pieces: list[Batch] = []
        todo = [(0, len(batch))]
        lost = 0
        while todo:
            start, stop = todo.pop()
            part = batch.slice(start, stop)
            try:
                pieces.append(self._fit(self._members[index].predict(part), part))
            except Exception as again:
                if stop - start > 1:
                    half = (start + stop) // 2
                    todo += [(half, stop), (start, half)]
                    continue
                lost += 1
                error = again
                pieces.append(self._nothing(part))
        if lost == len(batch) > 1:
            raise self.kernel_error(error)
        if not lost:
            self._faults[index] = 0
        return Batch.concat(pieces)

    def _nothing(self, batch: Batch) -> Batch:
        """Predictions that nobody will trust: NaN everywhere."""
        schema = self.setup.loaded.prediction_schema
        atoms = 0 if batch.offsets is None else int(batch.offsets[-1])
        shapes = {n: (atoms if f.ragged else len(batch), *f.inner) for n, f in schema.items()}
        columns = {n: np.full(shape, np.nan).astype(schema[n].dtype) for n, shape in shapes.items()}
        return Batch(schema, columns, batch.offsets if schema.ragged else None, size=len(batch))

    def _look_for_nonsense(self, index: int, output: Batch) -> None:
        broken = broken_samples(output)
        if broken is None:
            return
        what = f"member {index} predicts values that are not finite for {broken.sum()} of {len(output)} samples"
        self.report(self.kernel_error(FloatingPointError(what)), "these samples are not trusted")

    def _fit(self, output: Batch, batch: Batch) -> Batch:
        """Drop columns nobody asked for; missing ones, and predictions of other samples, are the model's fault."""
        if len(output) != len(batch):
            raise SchemaError(f"{len(output)} predictions for {len(batch)} samples")
        if (
            output.offsets is not None
            and batch.offsets is not None
            and not np.array_equal(output.offsets, batch.offsets)
        ):
            raise SchemaError(f"predictions have other numbers of {batch.schema.ragged} than their samples")
        schema = self.setup.loaded.prediction_schema
        return output if output.schema == schema else output.pick(schema)

    # --- the end

    def halt(self, message: m.Halt) -> None:
        """Halt once the announced versions have come."""
        self._last = message
        self._deadline = time.monotonic() + WEIGHTS_LIMIT
        self._perhaps_halt(time.monotonic())

    def _perhaps_halt(self, now: float) -> None:
        if self._last is None or self.halted:
            return
        built = hasattr(self, "_held")
        if self.broken or not built or now > self._deadline or self._has(self._last.versions):
            super().halt(self._last)

    def close(self) -> None:
        """Close the members."""
        close_all(list(getattr(self, "_members", {}).values()))
