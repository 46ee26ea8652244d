"""What unpickling would do."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

__all__ = ["Harm"]


class Harm:
    """Unpickling it creates a file."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.evidence),)
