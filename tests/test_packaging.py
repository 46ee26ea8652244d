"""All distributions have one shape, and what `pal new-plugin` writes has it too."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from distributions import FOLDERS, problems, project
from documents import ROOT

from pal_core.scaffold.make import make
from pal_core.scaffold.names import Names
from pal_core.spec import Role


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_distribution_keeps_the_rules(folder):
    assert problems(folder) == []


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda p: p.name)
def test_license_is_that_of_the_repository(folder):
    assert project(folder)["license"] == "MIT"


@pytest.mark.parametrize("role", Role)
def test_new_plugin_keeps_the_rules(role, tmp_path):
    assert problems(make(Names("pal-orca", role, "dft"), tmp_path)) == []


@pytest.mark.parametrize("role", Role)
def test_new_plugin_passes_lint_inside_the_repository(role, tmp_path):
    for settings in ("ruff.toml", "plugins/ruff.toml"):
        (tmp_path / settings).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / settings, tmp_path / settings)
    (tmp_path / "core" / "src" / "pal_core").mkdir(parents=True)
    make(Names("pal-orca", role, "dft"), tmp_path / "plugins")
    for command in (["check"], ["format", "--check"]):
        run = subprocess.run(["ruff", *command, "."], cwd=tmp_path, capture_output=True, text=True, check=False)
        assert run.returncode == 0, run.stdout


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", '"pal-core>=0.1,<0.2"', '"pal-core==0.1.0"', "pal-core==0.1.0 is no range of versions"),
        ("pyproject.toml", '"pal-core>=0.1,<0.2"', '"pal-core>=0.1"', "pal-core>=0.1 is no range of versions"),
        ("pyproject.toml", '"numpy>=1.26"', '"numpy==1.26"', "numpy==1.26 pins a version"),
        (
            "pyproject.toml",
            '"numpy>=1.26"',
            '"pal-xtb"',
            "it depends on pal-xtb; it may on pal-ase, pal-core, pal-design",
        ),
        ("pyproject.toml", "pal_orca.plugin", "pal_orca.plug", "the entry point's module pal_orca.plug is not there"),
        ("pyproject.toml", ">=3.10", ">=3.12", "requires-python is '>=3.12', '>=3.10' is wanted"),
        ("pyproject.toml", "test = [", "tests = [", "there is no extra 'test'"),
        (
            "pyproject.toml",
            'name = "pal-orca"',
            'name = "pal-oca"',
            "the folder pal-orca holds the distribution pal-oca",
        ),
        ("CHANGELOG.md", "0.1.0", "0.0.9", "CHANGELOG.md has no heading for version 0.1.0"),
        ("src/pal_orca/__init__.py", "__version__", "version", "__init__.py has no __version__"),
    ],
)
def test_broken_rule_is_named(tmp_path: Path, file, old, new, problem):
    folder = make(Names("pal-orca", Role.ORACLE, "dft"), tmp_path)
    text = (folder / file).read_text()
    assert old in text
    (folder / file).write_text(text.replace(old, new))
    assert problem in problems(folder)


@pytest.mark.parametrize(
    ("file", "problem"),
    [
        ("README.md", "README.md is missing"),
        ("CHANGELOG.md", "CHANGELOG.md is missing"),
        ("src/pal_orca/py.typed", "src/pal_orca/py.typed is missing"),
        ("tests/test_contracts.py", "there are no tests"),
    ],
)
def test_missing_file_is_named(tmp_path: Path, file, problem):
    folder = make(Names("pal-orca", Role.ORACLE, "dft"), tmp_path)
    (folder / file).unlink()
    assert problem in problems(folder)
