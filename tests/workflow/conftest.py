from __future__ import annotations

from pathlib import Path

import pytest
from stack import Workflow


@pytest.fixture
def workflow(tmp_path: Path) -> Workflow:
    return Workflow(tmp_path)
