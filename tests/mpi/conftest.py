"""Runs of the toy over MPI, started as a user starts them."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest

LIMIT = 120.0

TOY = """
[run]
directory = "run"
seed = 5
{run}
[generator]
kernel = "pal.toy-walker"
walkers = 8
processes = 2
{generator}
[model]
kernel = "pal.toy-model"
members = 4
processes = 2
{model}
[training]
processes = 2
retrain_after = 20
final_time = 20
{training}
[oracle]
kernel = "pal.toy-oracle"
processes = 2
{oracle}
[selection]
options = {{ field = "energy", upper = 2.0 }}
{selection}
[data]
bootstrap = 24
[stop]
{stop}
"""


@dataclass
class Case:
    """A settings file and what came of running it."""

    folder: Path
    file: Path
    outputs: list[subprocess.CompletedProcess[str]] = field(default_factory=list)

    @property
    def directory(self) -> Path:
        return self.folder / "run"

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        command = [sys.executable, "-m", "pal_core.cli.main", "run", str(self.file), *arguments]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        return subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, start_new_session=True
        )

    def run(self, *arguments: str, limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        return self.finish(process, limit)

    def finish(self, process: subprocess.Popen[str], limit: float = LIMIT) -> subprocess.CompletedProcess[str]:
        try:
            out, err = process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.communicate()
            raise
        done = subprocess.CompletedProcess(process.args, process.returncode, out, err)
        self.outputs.append(done)
        return done

    def status(self) -> dict[str, object]:
        return json.loads((self.directory / "status.json").read_text())

    def wait_for(self, labels: int, process: subprocess.Popen[str], limit: float = LIMIT) -> None:
        end = time.monotonic() + limit
        while time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            try:
                if int(self.status()["labels"]) >= labels:
                    return
            except (FileNotFoundError, json.JSONDecodeError):
                pass
            time.sleep(0.05)
        raise AssertionError(f"{labels} labels did not come within {limit} s")

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(f"file:{self.directory / 'pal.sqlite'}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()


@pytest.fixture
def toy(tmp_path):
    """Makes a case; keyword arguments add lines to tables."""

    def make(**tables: str) -> Case:
        names = ("run", "generator", "model", "training", "oracle", "selection", "stop")
        file = tmp_path / "toy.toml"
        file.write_text(TOY.format(**{n: tables.get(n, "") for n in names}))
        return Case(tmp_path, file)

    return make
