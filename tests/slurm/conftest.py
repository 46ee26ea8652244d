from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from cluster import Cluster, cluster, missing
from outcomes import JOURNAL_ORACLE, bring_journal_oracle

from pal_core.store.store import Store

TOY = """
[run]
directory = "run"
seed = 5
stop_limit = 10
startup_limit = 60
{run}
[generator]
kernel = "pal.toy-walker"
walkers = 8
processes = 1
[model]
kernel = "pal.toy-model"
members = 2
processes = 1
[training]
processes = 1
retrain_after = 20
final_time = 5
[oracle]
kernel = "{oracle}"
options = {{ delay = {delay} }}
[selection]
options = {{ field = "energy", upper = 2.0 }}
[data]
bootstrap = 24
[[placement]]
match = "n1"
oracle = 0
[[placement]]
match = "n2"
generator = 0
model = 0
training = 0
[stop]
labels = {labels}
"""
SCRIPT = """#!/bin/bash
#SBATCH --nodes=2 --ntasks-per-node=4
#SBATCH --time=2
#SBATCH --signal=B:USR1@30
#SBATCH --requeue --open-mode=append
#SBATCH --output={folder}/job.out
exec {python} -m pal_core.cli.main run toy.toml {options}
"""


@pytest.fixture(scope="session")
def slurm() -> Iterator[Cluster]:
    """A cluster of the nodes n1 and n2."""
    if missing():
        pytest.skip(missing())
    folder = Path(tempfile.mkdtemp(prefix="pal-slurm-"))  # pytest's own folders are too deep for sockets
    try:
        with cluster(folder) as made:
            yield made
    finally:
        shutil.rmtree(folder)


@dataclass
class Case:
    """A settings file, the script of its job, and what came of them."""

    folder: Path

    @property
    def script(self) -> Path:
        return self.folder / "job.sh"

    @property
    def output(self) -> str:
        return (self.folder / "job.out").read_text()

    def store(self) -> Store:
        return Store(self.folder / "run")

    def labels(self) -> int:
        if not (self.folder / "run" / "pal.sqlite").exists():
            return 0
        store = self.store()
        try:
            return len(store.labelled())
        finally:
            store.close()

    def sessions(self) -> list[tuple[str, str]]:
        store = self.store()
        try:
            return [(s["outcome"], s["reason"]) for s in store.sessions()]
        finally:
            store.close()


@pytest.fixture
def toy(tmp_path):
    """Makes a case."""

    def make(labels: int, delay: float, run: str = "", options: str = "") -> Case:
        case = Case(tmp_path)
        (tmp_path / "toy.toml").write_text(TOY.format(oracle=JOURNAL_ORACLE, labels=labels, delay=delay, run=run))
        bring_journal_oracle(tmp_path)
        case.script.write_text(SCRIPT.format(folder=tmp_path, python=sys.executable, options=options))
        return case

    return make
