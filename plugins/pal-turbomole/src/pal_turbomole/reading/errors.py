"""The one error of the readers."""

from __future__ import annotations

from collections.abc import Sequence

from pal_core.kernels import FailureKind

__all__ = ["Unreadable"]


class Unreadable(Exception):
    """A text that doesn't prove what was asked of it.

    Parameters
    ----------
    kind : {"unconverged", "crashed", "timeout", "invalid_input"}
        As in `pal_core.kernels.OracleFailure`.
    message : str
        One sentence: what was wanted, what was found.
    lines : sequence of str
        The lines that show it.
    """

    def __init__(self, kind: FailureKind, message: str, lines: Sequence[str] = ()) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.message = message
        self.lines = tuple(line.rstrip() for line in lines)

    @property
    def evidence(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)

    def __str__(self) -> str:
        return f"{self.kind}: {self.message}"
