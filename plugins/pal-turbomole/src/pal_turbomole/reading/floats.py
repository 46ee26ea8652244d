"""Numbers as Fortran writes them: ``-.5``, ``.123D-01``, ``1.0-105``, and columns without a space between."""

from __future__ import annotations

import math
import re

from pal_core.kernels import FailureKind

from pal_turbomole.reading.errors import Unreadable

__all__ = ["read_float", "read_floats"]

# Before an exponent of three digits Fortran leaves out the letter (1.0-105); a fixed number that follows without a
# space (1.25-234.5) differs by its decimal point. Integers, and mantissas without a point, only stand alone.
_NUMBER = re.compile(
    r"[+-]?(?:\d+\.\d*|\.\d+)(?:[EeDd][+-]?\d+|[+-]\d{3}(?![\d.]))?|(?<!\S)[+-]?\d+(?:[EeDd][+-]?\d+)?(?!\S)"
)
_LETTERLESS = re.compile(r"(?<=[\d.])([+-]\d{3})$")


def read_floats(text: str, count: int | None = None, kind: FailureKind = "crashed") -> list[float]:
    """All numbers of a piece of text that holds nothing else.

    Parameters
    ----------
    text : str
    count : int, optional
        How many there must be.
    kind : str
        Of the error.

    Raises
    ------
    Unreadable
        If there are others than `count`, anything but finite numbers (``****``, ``NaN``), or two that touch without a
        sign between, so that nobody can tell where the second one starts.

    Examples
    --------
    >>> read_floats("-.35035032967113D-01  0.1-.2 1.5-105")
    [-0.035035032967113, 0.1, -0.2, 1.5e-105]
    """
    values: list[float] = []
    end = 0
    for match in _NUMBER.finditer(text):
        touching = values and match.start() == end and text[match.start()] not in "+-"
        if text[end : match.start()].strip() or touching:
            break
        values.append(float(_LETTERLESS.sub(r"e\1", match[0]).lower().replace("d", "e")))
        end = match.end()
    wanted = "only numbers" if count is None else f"{count} number{'s' * (count != 1)}"
    if text[end:].strip() or (count is not None and len(values) != count) or not all(map(math.isfinite, values)):
        raise Unreadable(kind, f"{wanted} wanted, found {text.strip()!r}", [text])
    return values


def read_float(text: str, kind: FailureKind = "crashed") -> float:
    """The one number of a piece of text; as `read_floats`."""
    return read_floats(text, 1, kind)[0]
