"""Host of committee members that predict."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Mapping

import numpy as np

from pal_core import messages as m
from pal_core.data import Batch, SchemaError
from pal_core.kernels import Model
from pal_core.runtime.checkpoint import newest_weights
from pal_core.runtime.host import Host, close_all

__all__ = ["PredictionHost"]

WEIGHTS_LIMIT = 10.0
"""Seconds that a halting host waits for the last weights announced to it."""


class PredictionHost(Host):
    """Members that predict on one rank. Weights are swapped between batches, the newest only."""

    table = "model"

    def build(self) -> Batch | None:
        """Construct the members, with the weights of their last round if the run goes on from one."""
        self._members: dict[int, Model] = {}
        self._versions: dict[int, int] = {}
        self._fresh: dict[int, m.Weights] = {}
        self._todo: deque[m.Predict] = deque()
        self._last: Mapping[int, int] | None = None
        self._deadline = 0.0
        for index in self.part.indices:
            model = self.setup.build(self.kernel, self.context(index))
            weights, self._versions[index] = newest_weights(self.setup.directory, index)
            if weights is not None:
                model.load(weights)
            self._members[index] = model
        return None

    def take(self, sender: str, message: m.Message) -> None:
        """Queue a batch, or keep the newest weights of a member."""
        match message:
            case m.Predict():
                self._todo.append(message)
            case m.Weights(member, version):
                held = self._fresh.get(member)
                newest = max(self._versions[member], held.version if held else 0)
                if version > newest:
                    self._fresh[member] = message

    def step(self, now: float) -> bool:
        """Load fresh weights, then predict one batch."""
        if not self._todo and not self._fresh:
            self._perhaps_halt(now)
            return False
        with self.guarded():
            for member, weights in self._fresh.items():
                self._members[member].load(weights.state)
                self._versions[member] = weights.version
            self._fresh.clear()
            if self._todo:
                self._predict(self._todo.popleft())
        return True

    def _predict(self, request: m.Predict) -> None:
        outputs = [self._fit(model.predict(request.batch), request.batch) for model in self._members.values()]
        versions = tuple(self._versions.values())
        answer = m.Predicted(request.batch_id, tuple(self._members), versions, tuple(outputs))
        self.post("exchange", answer)
        self.count(predicted=len(request.batch), batches=1)

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

    def halt(self, message: m.Halt) -> None:
        """Halt once the announced versions have come."""
        self._last = {int(k): v for k, v in message.versions.items() if int(k) in self.part.indices}
        self._deadline = time.monotonic() + WEIGHTS_LIMIT
        self._perhaps_halt(time.monotonic())

    def _perhaps_halt(self, now: float) -> None:
        if self._last is None or self.halted:
            return
        missing = [k for k, v in self._last.items() if getattr(self, "_versions", {}).get(k, 0) < v]
        if not missing or self.broken or now > self._deadline:
            super().halt(m.Halt())

    def close(self) -> None:
        """Close the members."""
        close_all(list(getattr(self, "_members", {}).values()))
