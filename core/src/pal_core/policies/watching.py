"""Early stopping: a metric that is watched, and patience with it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from pal_core.errors import PalError

__all__ = ["MissingMetricError", "Patience", "watched"]

_HELD_OUT = "validation_"


class MissingMetricError(PalError):
    """``training.monitor`` names a metric that the model doesn't give."""

    exit_code = 2


def watched(metrics: Mapping[str, float], monitor: str, held_out: bool) -> float:
    """Value of the metric that is watched; infinite if it is not finite, so that nothing is worse.

    Parameters
    ----------
    metrics : mapping of str to float
        Of an epoch.
    monitor : str
        Its name. One of held-out samples is replaced by that of the others while no sample is held out.
    held_out : bool
        Whether any is.

    Raises
    ------
    MissingMetricError
    """
    name = monitor if held_out else monitor.removeprefix(_HELD_OUT)
    if name not in metrics:
        raise MissingMetricError(
            f"training.monitor names {name!r}, the model's epochs have {', '.join(sorted(metrics)) or 'no metrics'}",
            "name one of these",
        )
    return metrics[name] if math.isfinite(metrics[name]) else math.inf


@dataclass
class Patience:
    """Epochs that a round goes on without an improvement.

    Parameters
    ----------
    epochs : int
    best : float
        Lowest value so far.
    waited : int
        Epochs since then; -1 before the first.
    """

    epochs: int
    best: float = math.inf
    waited: int = -1

    def improved(self, value: float) -> bool:
        """Note an epoch's value; True if it is the lowest so far, or the first."""
        if value < self.best or self.waited < 0:
            self.best, self.waited = value, 0
            return True
        self.waited += 1
        return False

    @property
    def over(self) -> bool:
        """Whether the round has gone on for long enough."""
        return self.waited >= self.epochs
