"""What a run tells its observers."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

__all__ = ["Observer"]


class Observer(Protocol):
    """Follows a run from the manager's rank. Calls must return within milliseconds."""

    def started(self, directory: Path, status: dict[str, Any]) -> None:
        """The run begins in `directory`."""

    def progressed(self, status: dict[str, Any]) -> None:
        """New status, about once a second; keys as in ``pal status --json``."""

    def ended(self, status: dict[str, Any]) -> None:
        """The run is over; ``status["outcome"]`` says how."""
