"""Content that tries to do harm."""

from __future__ import annotations

import os
import pickle
from collections.abc import Callable
from pathlib import Path

import pytest


class Harm:
    """Unpickling it creates a file."""

    def __init__(self, evidence: Path) -> None:
        self.evidence = evidence

    def __reduce__(self) -> tuple[Callable[[str], object], tuple[str]]:
        return os.mkdir, (str(self.evidence),)


@pytest.fixture
def evidence(tmp_path: Path):
    """A path that harm creates; nothing may be there when a test ends."""
    path = tmp_path / "evidence"
    yield path
    assert not path.exists()


@pytest.fixture
def pickled(evidence: Path) -> bytes:
    """A pickle that does harm when it is read."""
    return pickle.dumps(Harm(evidence))


def test_harm_is_harmful(tmp_path: Path):
    pickle.loads(pickle.dumps(Harm(tmp_path / "done")))
    assert (tmp_path / "done").exists()
