"""The atomistic stack on ethanol, small, over MPI, started as a user starts it."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from documents import ROOT

ETHANOL = ROOT / "examples" / "ethanol" / "ethanol.xyz"
LIMIT = 120.0

SETTINGS = """
[run]
directory = "run"
seed = 7

[generator]
kernel = "ase.langevin"
walkers = 4
processes = 1
options = {{ structure = "{structure}", temperature = 600, friction = 0.02, rattle = 0.15{generator} }}

[model]
kernel = "schnet.committee"
members = 2
processes = 1
options = {{ features = 16, interactions = 2 }}

[training]
processes = 1
retrain_after = 10
first_epochs = 5
min_epochs = {min_epochs}
publish_every = 2
final_time = 5

[oracle]
kernel = "xtb.gfn2"
processes = 1
timeout = 60
{oracle}

[selection]
kernel = "pal.threshold"
options = {{ field = "forces", upper = {upper} }}

[[check]]
kernel = "ase.finite"

[data]
bootstrap = 12

[stop]
labels = {labels}
wall_time = 60
"""
DEFAULTS = {"labels": 40, "upper": 0.12, "min_epochs": 2, "generator": "", "oracle": ""}


@dataclass(frozen=True)
class Done:
    """What came of a command, and how long it took."""

    code: int
    out: str
    err: str
    seconds: float


@dataclass(frozen=True)
class Workflow:
    """A folder with a settings file, and `pal` in it."""

    folder: Path

    def write(self, structure: Path, **changes: object) -> None:
        """The settings file; `changes` are values of `DEFAULTS`."""
        text = SETTINGS.format(structure=structure, **{**DEFAULTS, **changes})
        (self.folder / "small.toml").write_text(text)

    def start(self, command: str, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [sys.executable, "-m", "pal_core.cli.main", command, *arguments],
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    def finish(self, process: subprocess.Popen[str], limit: float = LIMIT) -> tuple[str, str]:
        """Output and errors; a launcher that takes too long ends its ranks itself, at SIGINT twice."""
        try:
            return process.communicate(timeout=limit)
        except subprocess.TimeoutExpired:
            for _ in range(2):
                process.send_signal(signal.SIGINT)
                time.sleep(0.5)
            try:
                process.communicate(timeout=20)
            finally:
                process.kill()
            raise

    def pal(self, command: str, *arguments: str, limit: float = LIMIT) -> Done:
        begin = time.monotonic()
        process = self.start(command, *arguments)
        out, err = self.finish(process, limit)
        return Done(process.returncode, out, err, time.monotonic() - begin)

    def rows(self, sql: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(f"file:{self.folder / 'run' / 'pal.sqlite'}?mode=ro", uri=True)
        try:
            return connection.execute(sql).fetchall()
        finally:
            connection.close()

    def wait_for(self, labels: int, process: subprocess.Popen[str], limit: float = LIMIT) -> None:
        end = time.monotonic() + limit
        while time.monotonic() < end:
            assert process.poll() is None, process.communicate()
            try:
                if self.rows("SELECT COUNT(*) FROM labels")[0][0] >= labels:
                    return
            except sqlite3.OperationalError:
                """The store isn't there yet."""
            time.sleep(0.02)
        raise AssertionError(f"{labels} labels did not come within {limit} s")
