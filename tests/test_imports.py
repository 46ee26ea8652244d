"""Who may import what: MPI in one file, nothing heavy in the core nor in what listings read."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from distributions import FOLDERS, SHARED, imported, project
from documents import ROOT

SOURCES = [path for folder in FOLDERS for path in sorted((folder / "src").rglob("*.py"))]
HEAVY = {"torch", "ase", "mpi4py", "scipy", "tblite", "schnetpack", "matplotlib", "pytest"}
PLUGINS = [f for f in FOLDERS if f.name != "core"]
LISTING = """
import importlib, json, sys
plugin = importlib.import_module(sys.argv[1])
specs = list(getattr(plugin, "pal_kernels", list)())
for hook in ("pal_formats", "pal_commands"):
    list(getattr(plugin, hook, list)())
for spec in specs:
    module, _, name = spec.options.partition(":")
    assert getattr(importlib.import_module(module), name).model_json_schema()
print(json.dumps([[spec.name for spec in specs], sorted(sys.modules)]))
"""


def test_one_file_imports_mpi4py():
    found = [p.relative_to(ROOT).as_posix() for p in SOURCES if "mpi4py" in imported(p)]
    assert found == ["core/src/pal_core/transport/mpi.py"]


@pytest.mark.parametrize("module", ["torch", "ase", "scipy", "tblite", "schnetpack"])
def test_core_imports_no_numerical_library_but_numpy(module):
    assert [p for p in SOURCES if ROOT / "core" in p.parents and module in imported(p)] == []


def test_core_imports_only_what_it_depends_on():
    own = {"pal_core", "pydantic_core", *sys.stdlib_module_names}  # pydantic's other half, of a version that it pins
    table = project(ROOT / "core")
    texts = [*table["dependencies"], *table["optional-dependencies"]["test"], "tomllib"]
    known = {t.replace("-", "_").partition(">")[0] for t in texts}
    found = set().union(*(imported(p) for p in SOURCES if ROOT / "core" in p.parents))
    assert found - own - known == set()


def test_plugins_import_no_other_plugin_but_shared_ones():
    shared = {name.replace("-", "_") for name in SHARED}
    for folder in PLUGINS:
        own = folder.name.replace("-", "_")
        for path in (folder / "src").rglob("*.py"):
            siblings = {m for m in imported(path) if m.startswith("pal_")} - {own, *shared}
            assert not siblings, f"{path} imports {siblings}"


def test_import_in_a_function_counts_and_one_for_types_does_not(tmp_path: Path):
    file = tmp_path / "some.py"
    file.write_text("if TYPE_CHECKING:\n    import torch\ndef f():\n    from ase.io import read\n    import os.path\n")
    assert imported(file) == {"ase", "os"}


def _listed(folder: Path) -> tuple[list[str], set[str]]:
    """Kernels of a plugin and all modules imported to list them with their options, without installing it."""
    (module,) = project(folder)["entry-points"]["pal"].values()
    path = os.pathsep.join(str(f / "src") for f in FOLDERS)
    run = subprocess.run(
        [sys.executable, "-c", LISTING, module],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": path},
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    kernels, modules = json.loads(run.stdout.splitlines()[-1])
    return kernels, set(modules)


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_plugin_is_listed_with_the_core_s_dependencies_alone(folder):
    kernels, modules = _listed(folder)
    (prefix,) = project(folder)["entry-points"]["pal"]
    assert HEAVY & modules == set()
    assert all(k.startswith(f"{prefix}.") for k in kernels)


@pytest.mark.parametrize("folder", PLUGINS, ids=lambda p: p.name)
def test_readme_of_a_plugin_names_all_its_kernels(folder):
    text = (folder / "README.md").read_text(encoding="utf-8")
    assert [k for k in _listed(folder)[0] if f"`{k}`" not in text] == []
