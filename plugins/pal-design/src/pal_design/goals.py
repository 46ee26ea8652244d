"""What is wanted of a design: objectives, limits, and what uncertain predictions are worth."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Feedback

__all__ = ["FieldGoals", "Goals", "Verdict"]

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Verdict:
    """How good n designs are.

    Parameters
    ----------
    values : ndarray of float64, shape (n, objectives)
        To be minimised.
    violation : ndarray of float64, shape (n,)
        0 where all limits are kept; infinite where a prediction isn't finite.
    trusted : ndarray of bool, shape (n,)
        Whether the selection trusts the predictions.
    """

    values: Floats
    violation: Floats
    trusted: NDArray[np.bool_]


class Goals(ABC):
    """Turns predictions into values to be minimised and violations of limits.

    Attributes
    ----------
    names : tuple of str
        The objectives.
    fields : tuple of str
        Predicted fields of one number that are read.
    limited : bool
        Whether there are limits.
    """

    names: tuple[str, ...]
    fields: tuple[str, ...]
    limited: bool = False

    @abstractmethod
    def values(self, mean: Mapping[str, float], std: Mapping[str, float]) -> Sequence[float]:
        """Objectives of one design, to be minimised, from the predictions' means and standard deviations."""

    def violation(self, mean: Mapping[str, float], std: Mapping[str, float]) -> float:
        """By how much limits are exceeded, relative to them and added up; 0 if none is."""
        return 0.0

    def judge(self, feedbacks: Sequence[Feedback]) -> Verdict:
        """How good the designs are that these feedbacks were given on."""
        rows = [self._row(feedback) for feedback in feedbacks]
        values = np.array([row[:-1] for row in rows], np.float64).reshape(len(rows), len(self.names))
        violation = np.array([row[-1] for row in rows], np.float64)
        finite = np.isfinite(values).all(axis=1) & np.isfinite(violation)
        trusted = np.array([feedback.trusted for feedback in feedbacks], np.bool_) & finite
        return Verdict(np.where(finite[:, None], values, np.inf), np.where(finite, violation, np.inf), trusted)

    def _row(self, feedback: Feedback) -> list[float]:
        mean = {name: float(feedback.mean[name]) for name in self.fields}
        # One member alone has no deviation.
        std = {name: float(np.nan_to_num(feedback.std[name], nan=0.0)) for name in self.fields}
        return [*self.values(mean, std), self.violation(mean, std)]


class FieldGoals(Goals):
    """Predicted numbers to be made small or large, and limits on them.

    Parameters
    ----------
    minimise, maximise : sequence of str
        Predicted fields of one number.
    at_most, at_least : mapping of str to float
        Limits, in the fields' units.
    penalty : float
        Standard deviations by which predictions are taken for worse than their mean; negative: better, which explores.
    """

    def __init__(
        self,
        minimise: Sequence[str],
        maximise: Sequence[str] = (),
        at_most: Mapping[str, float] | None = None,
        at_least: Mapping[str, float] | None = None,
        penalty: float = 0.0,
    ) -> None:
        self.names = (*minimise, *maximise)
        self._signs = {**dict.fromkeys(minimise, 1.0), **dict.fromkeys(maximise, -1.0)}
        self._limits = [*((n, 1.0, v) for n, v in (at_most or {}).items())]
        self._limits += [(n, -1.0, v) for n, v in (at_least or {}).items()]
        self.fields = tuple(dict.fromkeys([*self.names, *(name for name, _, _ in self._limits)]))
        self.limited = bool(self._limits)
        self._penalty = penalty

    def values(self, mean: Mapping[str, float], std: Mapping[str, float]) -> Sequence[float]:
        """Means, with the sign changed where they are to be large, and the penalty."""
        return [sign * mean[name] + self._penalty * std[name] for name, sign in self._signs.items()]

    def violation(self, mean: Mapping[str, float], std: Mapping[str, float]) -> float:
        """Sum of excesses over the limits, each relative to its limit."""
        over = [(s * (mean[n] - v) + self._penalty * std[n]) / (abs(v) or 1.0) for n, s, v in self._limits]
        return float(np.maximum(over, 0.0).sum())  # NaN stays
