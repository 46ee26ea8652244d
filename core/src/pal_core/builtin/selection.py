"""Selections that work with every model and sample."""

from __future__ import annotations

from functools import reduce

import numpy as np
from numpy.typing import NDArray

from pal_core.builtin.selection_options import RandomOptions, ThresholdOptions
from pal_core.data import Batch, Committee, SchemaError
from pal_core.kernels import Context, Decision, Selection, State
from pal_core.rng import get_state, set_state

__all__ = ["All", "Random", "Threshold", "finite_samples"]

Bools = NDArray[np.bool_]


class Threshold(Selection):
    """Labels what the committee disagrees on: its standard deviation of one field, reduced to a number per sample.

    ======================================  =====  =====
    uncertainty                             label  trust
    ======================================  =====  =====
    up to `upper`                           no     yes
    above `upper`                           yes    no
    above `giveup`                          no     no
    not finite, or any mean is not finite   yes    no
    ======================================  =====  =====

    A sample that is itself not finite is neither labelled nor trusted. A committee of one has no standard deviation:
    every sample is labelled and none is trusted.
    """

    Options = ThresholdOptions

    def __init__(self, options: ThresholdOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ThresholdOptions = options

    def select(self, batch: Batch, committee: Committee) -> Decision:
        """Compare every sample's uncertainty with the limits."""
        field, known = self.options.field, committee.members[0].schema
        if field not in known:
            raise SchemaError(
                f"pal.threshold wants the predicted field {field!r}, the model predicts {', '.join(known)}: "
                "set options.field of [selection] to one of these"
            )
        score = committee.uncertainty(field, self.options.reduction)
        certain = np.isfinite(score) & finite_samples(committee.mean)
        giveup = np.inf if self.options.giveup is None else self.options.giveup
        label = ~certain | ((score > self.options.upper) & (score <= giveup))
        return Decision(label & finite_samples(batch), certain & (score <= self.options.upper), score)


class Random(Selection):
    """Labels a random share of samples and trusts every finite prediction."""

    Options = RandomOptions

    def __init__(self, options: RandomOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: RandomOptions = options
        self._rng = context.rng("share")

    def select(self, batch: Batch, committee: Committee) -> Decision:
        """Draw one number per sample; it is the score, too."""
        score = self._rng.random(len(batch))
        label = (score >= 1 - self.options.share) & finite_samples(batch)
        return Decision(label, finite_samples(committee.mean), score)

    def rerank(self, queue: Batch, committee: Committee) -> NDArray[np.int64]:
        """Leave the queue as it is: what was drawn stays drawn."""
        return np.arange(len(queue), dtype=np.int64)

    def snapshot(self) -> State:
        """The random stream."""
        return {"stream": get_state(self._rng)}

    def restore(self, state: State) -> None:
        """Draw on from there."""
        set_state(self._rng, state["stream"])


class All(Selection):
    """Labels every finite sample and trusts every finite prediction."""

    def select(self, batch: Batch, committee: Committee) -> Decision:
        """All are worth the same."""
        return Decision(finite_samples(batch), finite_samples(committee.mean), np.zeros(len(batch)))


def finite_samples(batch: Batch) -> Bools:
    """Which samples hold no NaN and no infinity, shape (n,)."""
    columns = (_finite_in(batch, name) for name, field in batch.schema.items() if field.dtype.startswith("float"))
    return reduce(np.logical_and, columns, np.ones(len(batch), np.bool_))


def _finite_in(batch: Batch, name: str) -> Bools:
    column = batch.columns[name]
    finite: Bools = np.all(np.isfinite(column), axis=tuple(range(1, column.ndim)))
    if batch.schema[name].ragged is None or batch.offsets is None:
        return finite
    faults = np.concatenate([[0], np.cumsum(~finite)])[batch.offsets]
    whole: Bools = np.diff(faults) == 0
    return whole
