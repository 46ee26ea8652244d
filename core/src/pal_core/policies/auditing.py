"""Audit: trusted samples that are labelled too, drawn at random, to know how wrong trusted predictions are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pal_core.data import Batch
from pal_core.kernels import Decision, State
from pal_core.rng import get_state, set_state, stream

__all__ = ["Audit", "AuditError", "audit_errors"]


class Audit:
    """Draws samples for the audit, one random number for every sample that is judged.

    Parameters
    ----------
    share : float
        Of the samples that are trusted and not selected.
    seed : int
        The run's.
    state : mapping, optional
        From `snapshot`.
    """

    def __init__(self, share: float, seed: int, state: State | None = None) -> None:
        self._share = share
        self._stream = stream(seed, "audit", 0)
        if state is not None:
            set_state(self._stream, state["stream"])

    def draw(self, decision: Decision) -> NDArray[np.int64]:
        """Places of the samples to audit."""
        drawn = self._stream.random(len(decision.trust)) < self._share
        return np.flatnonzero(drawn & decision.trust & ~decision.label)

    def snapshot(self) -> State:
        """Where the stream is."""
        return {"stream": get_state(self._stream)}


@dataclass(frozen=True)
class AuditError:
    """What an audit says of one predicted field, in its unit.

    Parameters
    ----------
    mae : float
        Mean absolute error of the committee's mean, of all components, each sample weighing the same: unbiased for the
        samples that walkers were told to trust.
    uncertainty : float
        Standard error of `mae`; NaN for one sample.
    std : float
        Mean standard deviation that the committee had predicted; NaN for a committee of one.
    """

    mae: float
    uncertainty: float
    std: float


def audit_errors(labels: Batch, expected: Batch) -> dict[str, AuditError]:
    """Compare labels with what the committee had expected.

    Parameters
    ----------
    labels : Batch
    expected : Batch
        Of the same samples: every predicted field, and its deviation as ``"<field>.std"``.
    """
    out = {}
    for name, column in labels.columns.items():
        if name not in expected.columns:
            continue
        errors = _per_sample(labels, name, np.abs(expected.columns[name] - column))
        spread = _per_sample(labels, name, expected.columns[f"{name}.std"])
        n = len(errors)
        spare = float(errors.std(ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        out[name] = AuditError(float(errors.mean()), spare, float(spread.mean()))
    return out


def _per_sample(batch: Batch, name: str, values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean over each sample's components."""
    flat: NDArray[np.float64] = values.reshape(len(values), -1).mean(axis=1)
    if not batch.schema[name].ragged or batch.offsets is None:
        return flat
    sizes = np.diff(batch.offsets)
    sums = np.add.reduceat(np.append(flat, 0.0), batch.offsets[:-1])
    means: NDArray[np.float64] = np.where(sizes > 0, sums, 0.0) / np.maximum(sizes, 1)
    return means
