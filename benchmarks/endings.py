"""Every way of stopping, many times over MPI: does the run end by itself, with everybody told, and how soon?

    python benchmarks/endings.py [--runs 10]

Runs of the toy on 8 to 12 ranks. A run that hasn't ended within the limit is ended by force and counts as one that
didn't end. Exits with 1 unless all runs ended by themselves, with code 0 (75 when their time is up, since they can go
on) and for the reason that was meant.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

LIMIT = 60.0
GRACE = 20.0
SETTINGS = """
[run]
directory = "run"
seed = {seed}
[generator]
kernel = "pal.toy-walker"
walkers = 8
processes = {generators}
{generator}
[model]
kernel = "pal.toy-model"
members = 4
processes = {models}
{model}
[training]
processes = {trainers}
retrain_after = 20
final_time = 10
[oracle]
kernel = "pal.toy-oracle"
processes = {oracles}
[selection]
options = {{ field = "energy", upper = 2.0 }}
[data]
bootstrap = 24
[stop]
{stop}
"""
PROCESSES = ((2, 2, 2, 1), (2, 2, 2, 2), (4, 1, 2, 2), (2, 4, 2, 2), (2, 2, 4, 3))
"""Of generators, prediction, training and oracles; with the controller that makes 8 to 12 ranks."""


@dataclass(frozen=True)
class Way:
    """A way of stopping: lines of its tables, and what the run then gives as its reason."""

    name: str
    reason: str
    stop: str
    generator: str = ""
    model: str = ""
    code: int = 0


WAYS = (
    Way("generator", "walkers ended", 'generators = "any"', generator="options = { steps = 40 }"),
    Way("trainer", "asked to stop", "labels = 100000", model="options = { stop_after_rounds = 2 }"),
    Way("label count", "60 labels", "labels = 60"),
    Way("steps", "steps", "steps = 2000"),
    Way("wall time", "time is up", "wall_time = 3", code=75),
)


def one_run(way: Way, number: int) -> tuple[float, str]:
    """Seconds from the command to its end, and what was wrong, if anything."""
    names = ("generators", "models", "trainers", "oracles")
    processes = dict(zip(names, PROCESSES[number % len(PROCESSES)], strict=True))
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "toy.toml"
        tables = {"stop": way.stop, "generator": way.generator, "model": way.model}
        file.write_text(SETTINGS.format(seed=number, **processes, **tables))
        begin = time.monotonic()
        code, said = run(file)
        seconds = time.monotonic() - begin
        if code != way.code:
            return seconds, said
        status = json.loads((Path(folder) / "run" / "status.json").read_text())
        outcome = "interrupted" if way.code else "done"
        fits = status["outcome"] == outcome and way.reason in status["reason"]
        return seconds, "" if fits else f"ended with {status['outcome']}: {status['reason']}"


def run(file: Path) -> tuple[int | None, str]:
    """Exit code of `pal run`, None if it had to be ended by force, and its words."""
    process = subprocess.Popen(
        [sys.executable, "-m", "pal_core.cli.main", "run", "--quiet", str(file)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    try:
        said, _ = process.communicate(timeout=LIMIT)
    except subprocess.TimeoutExpired:
        # The second signal makes the launcher end its ranks at once.
        for _ in range(2):
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.communicate(timeout=GRACE)
        process.kill()
        return None, f"no end within {LIMIT:g} s"
    return process.returncode, said


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=10, help="of each way")
    runs = parser.parse_args().runs
    used = [1 + sum(counts) for counts in PROCESSES[:runs]]
    print("| way | ranks | runs | ended by themselves, code 0 | median, s | longest, s |\n|---|---|---|---|---|---|")
    failed = []
    for way in WAYS:
        found = [one_run(way, number) for number in range(runs)]
        times, wrong = [seconds for seconds, _ in found], [text for _, text in found if text]
        failed += [f"{way.name}: {text}" for text in wrong]
        seconds = f"{statistics.median(times):.1f} | {max(times):.1f}"
        print(f"| {way.name} | {min(used)}-{max(used)} | {runs} | {runs - len(wrong)} | {seconds} |", flush=True)
    if failed:
        sys.exit("\n".join(failed))


if __name__ == "__main__":
    main()
