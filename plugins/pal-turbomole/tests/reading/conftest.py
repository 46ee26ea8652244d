"""Real files of Turbomole, where there are any; they are read where they lie."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# A busy machine is no fault of the readers.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow], max_examples=60)
settings.load_profile("patient")

FOLDERS = [parent / "shared" / "reference" / "turbomole" for parent in Path(__file__).resolve().parents]


@pytest.fixture(scope="session")
def reference() -> Path:
    found = next((folder for folder in FOLDERS if folder.is_dir()), None)
    if found is None:
        pytest.skip("no reference data of Turbomole")
    return found


@pytest.fixture(scope="session")
def real(reference: Path) -> Callable[[str], str]:
    """Text of a real file."""
    return lambda name: (reference / name).read_text()
