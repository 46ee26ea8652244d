from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from pal_core.api import run
from pal_core.builtin import plugin
from pal_core.cli.main import cli
from pal_core.plugins.host import PluginHost

# Fake packages are written by the helper of the host's tests.
sys.path.insert(0, str(Path(__file__).parents[1] / "plugins"))


@pytest.fixture
def host() -> PluginHost:
    """pal-core's own kernels only, whatever else is installed."""
    return PluginHost.of({"pal": plugin})


@pytest.fixture
def pal(host: PluginHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Call `pal` in an empty folder."""
    monkeypatch.chdir(tmp_path)

    def call(*args: str, host: PluginHost = host) -> Result:
        return CliRunner().invoke(cli, args, obj=host)

    return call


@pytest.fixture
def fresh(tmp_path: Path):
    """Call `pal` in a new process that finds the packages in `tmp_path`; gives result and imported modules."""
    code = (
        "import json, sys\n"
        "from pal_core.cli.main import cli\n"
        "try:\n    cli(sys.argv[1:])\n"
        "except SystemExit as e:\n    print(json.dumps([e.code, sorted(sys.modules)]))\n"
    )

    def call(*args: str) -> tuple[str, str, Any]:
        path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
        run = subprocess.run(
            [sys.executable, "-c", code, *args],
            capture_output=True,
            text=True,
            env={**os.environ, "PYTHONPATH": path},
            timeout=60,
            check=False,
        )
        out, _, last = run.stdout.rstrip("\n").rpartition("\n")
        return out, run.stderr, json.loads(last)

    return call


TOY = """
[run]
directory = "run"
seed = 5
[generator]
kernel = "pal.toy-walker"
walkers = 4
processes = 1
[model]
kernel = "pal.toy-model"
members = 2
processes = 1
[training]
processes = 1
retrain_after = 10
final_time = 5
[oracle]
kernel = "pal.toy-oracle"
isolate = false
processes = 1
[selection]
options = { field = "energy", upper = 2.0 }
[data]
bootstrap = 12
[stop]
labels = 30
"""


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """Settings of a small run in the folder where `pal` is called."""
    (tmp_path / "toy.toml").write_text(TOY)
    return tmp_path / "toy.toml"


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of a toy run that has met its stop rule, with its settings; to be looked at only."""
    folder = tmp_path_factory.mktemp("finished")
    (folder / "toy.toml").write_text(TOY)
    run(folder / "toy.toml", plugins=PluginHost.of({"pal": plugin}))
    return folder
