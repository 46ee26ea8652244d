"""What the doctor says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from pal_core.store.lock import Lock

__all__ = ["Finding", "Repair", "Severity", "note", "ok", "problem"]

Severity = Literal["ok", "note", "problem"]
Repair = Callable[[Lock], str]
"""Is given the run directory's lock; returns what was done."""


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Parameters
    ----------
    severity : str
        A ``"problem"`` keeps the run from going on, or from going on rightly; a ``"note"`` doesn't.
    topic : str
        What was looked at, in a word.
    text : str
        What was found.
    advice : str
        What to do next; empty if nothing.
    repair : callable, optional
        Does it, where that is safe.
    """

    severity: Severity
    topic: str
    text: str
    advice: str = ""
    repair: Repair | None = field(default=None, compare=False)

    def to_json(self) -> dict[str, Any]:
        """Plain values, as ``pal doctor --json`` prints them."""
        return {
            "severity": self.severity,
            "topic": self.topic,
            "text": self.text,
            "advice": self.advice,
            "repairable": self.repair is not None,
        }


def ok(topic: str, text: str) -> Finding:
    """All is well."""
    return Finding("ok", topic, text)


def note(topic: str, text: str, advice: str = "", repair: Repair | None = None) -> Finding:
    """Worth knowing."""
    return Finding("note", topic, text, advice, repair)


def problem(topic: str, text: str, advice: str, repair: Repair | None = None) -> Finding:
    """Something is wrong."""
    return Finding("problem", topic, text, advice, repair)
