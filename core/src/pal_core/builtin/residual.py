"""Labels against what the committee expected of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.builtin.check_options import ResidualOptions
from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

__all__ = ["Residual"]

_Seen = tuple[float, float]
"""A residual and the committee's deviation, both as root mean squares."""
_TINY = 1e-300
_DEVIATIONS = 3.5
"""The limit's distance from the median in median absolute deviations of the logarithm. For the sizes of normally
distributed numbers, whose logarithms scatter most, the limit is then 5.7 standard deviations."""


class Residual(LabelCheck):
    """Refuses labels that are much further from the committee's mean than labels have been lately.

    Notes
    -----
    Of every judged field the residual r is the root mean square, over all components of a sample, of label - mean. It
    is compared with the residuals of the last `window` labels that came with an expectation, admitted or not: with
    their median m and the median absolute deviation d of their logarithms, ``m · max(factor, exp(3.5 d))`` is allowed.
    That is free of units and of a scale, and follows a committee that gets better or comes to new ground.

    A sample of which the committee was unsure may well be further off. So the limit grows with the committee's
    standard deviation (root mean square over the components) over its usual one, the median of the window; of several
    fields that counts for which this is largest. A committee of one has no deviation, and its limits don't grow.

    Refused labels count in the distribution. So when what the oracle gives changes for good, the check lets it pass
    after half a window, instead of starving the training for ever.
    """

    Options = ResidualOptions

    def __init__(self, options: ResidualOptions, context: Context) -> None:
        super().__init__(options, context)
        self.options: ResidualOptions = options
        self._seen: dict[str, deque[_Seen]] = {}

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """The first field that is beyond its limit, or None."""
        if expected is None:
            return None
        found: dict[str, _Seen] = {}
        for name in self.options.fields or expected.mean:
            if name not in label or name not in expected.mean:
                continue
            value, mean = np.asarray(label[name], np.float64), np.asarray(expected.mean[name], np.float64)
            if value.shape != mean.shape:
                return f"{name} has the shape {value.shape}, the committee expects {mean.shape}"
            found[name] = (_rms(value - mean), _rms(expected.std[name]))
        return self._judge({name: seen for name, seen in found.items() if np.isfinite(seen[0])})

    def _judge(self, found: Mapping[str, _Seen]) -> str | None:
        """Compare what is finite; other labels are another check's business, other means say nothing."""
        doubt = max([1.0, *(self._doubt(name, spread) for name, (_, spread) in found.items())])
        reasons = [self._compare(name, residual, doubt) for name, (residual, _) in found.items()]
        for name, seen in found.items():
            self._seen.setdefault(name, deque(maxlen=self.options.window)).append(seen)
        return next((reason for reason in reasons if reason is not None), None)

    def _doubt(self, name: str, spread: float) -> float:
        """The committee's deviation over its usual one; 1 if either is unknown."""
        usual = [s for _, s in self._seen.get(name, ()) if np.isfinite(s)]
        if len(usual) < self.options.minimum or not np.isfinite(spread):
            return 1.0
        return spread / max(float(np.median(usual)), _TINY)

    def _compare(self, name: str, residual: float, doubt: float) -> str | None:
        seen = [r for r, _ in self._seen.get(name, ())]
        if len(seen) < self.options.minimum:
            return None
        logarithms = np.log(np.maximum(seen, _TINY))
        middle = float(np.median(logarithms))
        deviation = float(np.median(np.abs(logarithms - middle)))
        limit = float(np.exp(middle)) * max(self.options.factor, float(np.exp(_DEVIATIONS * deviation))) * doubt
        if residual <= limit:
            return None
        return (
            f"{name} is {residual:.3g} (root mean square) off what the committee expected, which was {doubt:.2g} times "
            f"as unsure as usual: {np.exp(middle):.3g} is usual, {limit:.3g} allowed"
        )

    def snapshot(self) -> State:
        """Residuals of the window, per field."""
        return {name: np.array(seen).reshape(-1, 2) for name, seen in self._seen.items()}

    def restore(self, state: State) -> None:
        """Go on with these residuals."""
        window = self.options.window
        self._seen = {name: deque(map(_pair, rows), maxlen=window) for name, rows in state.items()}


def _pair(row: NDArray[np.float64]) -> _Seen:
    return float(row[0]), float(row[1])


def _rms(values: Any) -> float:
    array = np.asarray(values, np.float64)
    return float(np.sqrt(np.mean(np.square(array)))) if array.size else 0.0
