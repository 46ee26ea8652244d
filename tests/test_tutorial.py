"""The tutorial works, command by command, in an environment that has pal-core and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from documents import ROOT, blocks, follow

TUTORIAL = ROOT / "docs" / "tutorial" / "first-kernel.md"


@pytest.mark.timeout(600)
def test_tutorial_does_what_it_says(environment: dict[str, str], tmp_path: Path):
    follow(blocks(TUTORIAL.read_text(encoding="utf-8")), tmp_path, environment)
    assert (tmp_path / "pal-tinydft" / "run" / "labels.npz").exists()
