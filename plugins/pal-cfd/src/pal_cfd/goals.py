"""What is wanted of a channel: much heat transfer at little drag."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from pal_design.goals import Goals

__all__ = ["ChannelGoals", "performance"]

_TINY = 1e-12


class ChannelGoals(Goals):
    """Objectives and limits on Cf and St, both pure numbers.

    Parameters
    ----------
    objective : {"heat", "performance", "pareto"}
    largest_cf : float or None
        Largest Cf that keeps the limit.
    penalty : float
        Standard deviations by which St is taken for smaller, and Cf for larger, than predicted.
    """

    def __init__(self, objective: str, largest_cf: float | None = None, penalty: float = 0.0) -> None:
        self._objective, self._largest, self._penalty = objective, largest_cf, penalty
        self.names = {"heat": ("-st",), "performance": ("-st/cf^(1/3)",), "pareto": ("cf", "-st")}[objective]
        self.fields = ("cf", "st")
        self.limited = largest_cf is not None

    def values(self, mean: Mapping[str, float], std: Mapping[str, float]) -> Sequence[float]:
        """Objectives, to be minimised."""
        cf, st = self._pessimistic(mean, std)
        if self._objective == "pareto":
            return [cf, -st]
        return [-st if self._objective == "heat" else -performance(cf, st)]

    def violation(self, mean: Mapping[str, float], std: Mapping[str, float]) -> float:
        """By how much Cf exceeds its limit, relative to it."""
        if self._largest is None:
            return 0.0
        over = self._pessimistic(mean, std)[0] / self._largest - 1
        return float(np.maximum(over, 0.0))  # NaN stays

    def _pessimistic(self, mean: Mapping[str, float], std: Mapping[str, float]) -> tuple[float, float]:
        cf = mean["cf"] + self._penalty * std["cf"]
        return float(np.maximum(cf, _TINY)), mean["st"] - self._penalty * std["st"]


def performance(cf: float, st: float) -> float:
    """Heat that the same pumping power transfers, up to a factor: St / Cf^(1/3).

    R. L. Webb, E. R. G. Eckert, Int. J. Heat Mass Transfer 15, 1647 (1972), for equal pumping power and surface.
    """
    return float(st / cf ** (1 / 3))
