"""Content that tries to do harm."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from harm import Harm


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
