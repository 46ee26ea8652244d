from __future__ import annotations

import math

import pytest


@pytest.fixture(autouse=True)
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Epochs are interrupted by no clock: tests count them, however busy the machine is."""
    monkeypatch.setattr("pal_ase.learning.trainer._TURN", math.inf)
