"""Errors of a run's committees on labelled samples, round by round."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from pal_core.api import Result, RunError
from pal_core.data import Batch, Committee
from pal_core.runtime.host import close_all

__all__ = ["Errors", "errors", "evaluate"]

_BATCH = 50


@dataclass(frozen=True)
class Errors:
    """Errors of a predicted field over all its components, in its unit.

    Parameters
    ----------
    mae, rmse : float
        Mean absolute error and root of the mean squared error of the committee's mean.
    worst : float
        Largest absolute error.
    std : float
        Mean standard deviation over the members (ddof 1): what the committee itself thinks.
    """

    mae: float
    rmse: float
    worst: float
    std: float


def errors(committee: Committee, labels: Batch, field: str) -> Errors:
    """Compare the mean of a committee with labels of the same samples."""
    difference = np.abs(committee.mean.columns[field] - labels.columns[field])
    return Errors(
        float(difference.mean()),
        float(np.sqrt(np.square(difference).mean())),
        float(difference.max()),
        float(committee.std.columns[field].mean()),
    )


def evaluate(result: Result, labelled: Batch, rounds: list[int] | None = None) -> list[dict[str, Any]]:
    """Errors of the committee after each round whose weights are on disk.

    Parameters
    ----------
    result : Result
        A run, see `pal_core.api.open_run`.
    labelled : Batch
        Samples with the label fields that the model predicts.
    rounds : list of int, optional
        Default: all on disk.

    Returns
    -------
    list of dict
        ``{"round": 1, "labels": 64, "errors": {"forces": {"mae": …, "rmse": …, "worst": …, "std": …}}}``.

    Raises
    ------
    RunError
        If no round is on disk.
    """
    chosen = result.stored_rounds() if rounds is None else rounds
    if not chosen:
        raise RunError(f"{result.directory} has no trained weights yet", "let the run train a round first")
    known = {r["round"]: r["labels"] for r in result.rounds()}
    fields = [f for f in result.loaded.prediction_schema if f in labelled.schema]
    out = []
    for number in chosen:
        committee = _predict(result, labelled, number)
        found = {field: asdict(errors(committee, labelled, field)) for field in fields}
        out.append({"round": number, "labels": known.get(number), "errors": found})
    return out


def _predict(result: Result, labelled: Batch, number: int) -> Committee:
    samples = labelled.pick(result.loaded.sample_schema)
    starts = range(0, len(samples), _BATCH)
    pieces = [samples.slice(a, min(a + _BATCH, len(samples))) for a in starts]
    models = result.models(number)
    try:
        return Committee([Batch.concat([model.predict(p) for p in pieces]) for model in models])
    finally:
        close_all(models)
