"""Labels against what the committee expected of them."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.builtin.check_options import ResidualOptions
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

__all__ = ["Residual"]

_TINY = 1e-300
_POWER = 4.0
"""The limit's distance from the median in units of the upper quartile's. For the size of normally distributed numbers
that is 5.7 standard deviations."""


@dataclass(frozen=True)
class _Judgement:
    """Where a value stands in the distribution of earlier ones."""

    median: float
    limit: float


class Residual(LabelCheck):
    """Refuses labels that are much further from the committee's mean than labels have been lately.

    Notes
    -----
    Of every judged field the residual r is the root mean square, over all components of a sample, of label - mean. It
    is compared with the residuals of the last `window` labels that came with an expectation, admitted or not, by their
    median m and upper quartile q: the limit is ``m · max(factor, (q/m)⁴)``. That is free of units and of a scale, and
    follows a committee that gets better or comes to new ground.

    A sample of which the committee was unsure may well be far off. So r alone is not enough: r in units of the
    committee's own standard deviation (root mean square over the components) must be beyond its limit, found in the
    same way. A committee of one has no deviation and is judged by r alone.

    Refused labels count in the distribution. So when what the oracle gives changes for good, the check lets it pass
    after half a window, instead of starving the training for ever.
    """

    Options = ResidualOptions

    def __init__(self, options: ResidualOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ResidualOptions = options
        self._seen: dict[str, deque[tuple[float, float]]] = {}

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """The first field that is beyond its limits, or None."""
        if expected is None:
            return None
        reasons = [self._field(name, label, expected) for name in self.options.fields or expected.mean]
        return next((reason for reason in reasons if reason is not None), None)

    def _field(self, name: str, label: Label, expected: Expected) -> str | None:
        if name not in label or name not in expected.mean:
            return None
        value, mean = np.asarray(label[name], np.float64), np.asarray(expected.mean[name], np.float64)
        if value.shape != mean.shape:
            return f"{name} has the shape {value.shape}, the committee expects {mean.shape}"
        found, spread = _rms(value - mean), _rms(expected.std[name])
        if not np.isfinite(found):
            # A label that is not finite is another check's business, a mean that isn't says nothing.
            return None
        ratio = found / spread if spread > 0 else np.nan
        seen = self._seen.setdefault(name, deque(maxlen=self.options.window))
        reason = self._compare(name, found, ratio, np.array(seen).reshape(-1, 2))
        seen.append((found, ratio))
        return reason

    def _compare(self, name: str, found: float, ratio: float, seen: NDArray[np.float64]) -> str | None:
        if len(seen) < self.options.minimum:
            return None
        usual = self._judge(seen[:, 0])
        if found <= usual.limit:
            return None
        text = (
            f"{name} is {found:.3g} (root mean square) from what the committee expected, {usual.median:.3g} is usual, "
            f"{usual.limit:.3g} allowed"
        )
        ratios = seen[np.isfinite(seen[:, 1]), 1]
        if not np.isfinite(ratio) or len(ratios) < self.options.minimum:
            return text
        by_spread = self._judge(ratios)
        if ratio <= by_spread.limit:
            return None
        return f"{text}; that is {ratio:.3g} times the committee's deviation, {by_spread.limit:.3g} times is allowed"

    def _judge(self, values: NDArray[np.float64]) -> _Judgement:
        middle, upper = np.maximum(np.quantile(values, [0.5, 0.75]), _TINY)
        return _Judgement(float(middle), float(middle * max(self.options.factor, (upper / middle) ** _POWER)))

    def snapshot(self) -> State:
        """Residuals of the window, per field."""
        return {name: np.array(seen).reshape(-1, 2) for name, seen in self._seen.items()}

    def restore(self, state: State) -> None:
        """Go on with these residuals."""
        window = self.options.window
        self._seen = {name: deque(map(_pair, rows), maxlen=window) for name, rows in state.items()}


def _pair(row: NDArray[np.float64]) -> tuple[float, float]:
    return float(row[0]), float(row[1])


def _rms(values: Any) -> float:
    array = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
