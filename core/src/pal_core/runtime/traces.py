"""Which tracebacks are worth keeping: one that comes again every second for a week would fill the store."""

from __future__ import annotations

import re

__all__ = ["Traces"]

MOST = 200
"""Errors that are remembered."""
PAUSE = 60.0
"""Seconds between two tracebacks, once there were more errors than are remembered."""
_NUMBER = r"(0x[0-9a-f]+|\d+(\.\d*)?(e[-+]?\d+)?|\b(nan|inf)\b)"
_NUMBERS = re.compile(rf"[-+]?{_NUMBER}([\s,;\[\]()]*[-+]?{_NUMBER})*", re.IGNORECASE)
_LONGEST = 500


class Traces:
    """Remembers of what errors the tracebacks were kept: one each, numbers aside."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], None] = {}
        self._kept = float("-inf")

    def once(self, source: str, text: str, trace: str, now: float) -> str:
        """The traceback if it is to be kept, otherwise an empty text.

        Parameters
        ----------
        source : str
            Who tells of the error.
        text : str
            The error; numbers in it make no difference.
        trace : str
        now : float
            Seconds.
        """
        key = source, _NUMBERS.sub("#", text[:_LONGEST])
        if not trace or key in self._known:
            return ""
        if len(self._known) >= MOST:
            if now - self._kept < PAUSE:
                return ""
            del self._known[next(iter(self._known))]
        self._known[key] = None
        self._kept = now
        return trace
