"""Does the exchange notice when oracles die? Steps per second with every fault over those without any.

    python benchmarks/oracle_faults.py [--seconds 20] [--repeats 3] [--every 5] [--fault segfault,hang] [--limit 0.95]

Runs of the toy over MPI: walkers on one rank, the committee on one, training on one, two oracles, the controller.
Before every run with a fault there is one without, so that a machine that changes its pace changes both. Exits with 1
if a ratio is below the limit, or if no attempt has failed where one should have. Replacing a process costs a third of a
second of a core: with fewer cores than ranks, what is measured is their number.
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
from typing import Any

KERNELS = Path(__file__).parents[1] / "tests" / "faults" / "kernels.py"
FAULTS = ("segfault", "flood", "memory", "hang", "orphan", "garbage")
WITH_LABEL = ("flood", "orphan")
"""Faults after which there is a label all the same."""
WARM = 2.0
LIMIT = 120.0
GRACE = 20.0
SETTINGS = """
[run]
directory = "run"
[generator]
kernel = "pal.toy-walker"
walkers = 8
processes = 1
options = {{ delay = 0.002 }}
[model]
kernel = "pal.toy-model"
members = 2
processes = 1
[training]
processes = 1
retrain_after = 1000000
[oracle]
kernel = "{kernels}:FaultyOracle"
processes = 2
timeout = 4
retries = 0
memory = 0.25
give_up_after = 1000
options = {{ fault = "{fault}", every = {every}, delay = 0.3, flood = 300000000 }}
[selection]
kernel = "pal.random"
options = {{ share = 0.02 }}
[data]
bootstrap = 8
[stop]
wall_time = {seconds}
"""


@dataclass(frozen=True)
class Rate:
    """What one run did in its phase `running`, its first seconds apart."""

    steps_per_second: float
    labels: int
    failed: int


def one_run(fault: str, every: int, seconds: float) -> Rate:
    with tempfile.TemporaryDirectory() as folder:
        file, directory = Path(folder) / "toy.toml", Path(folder) / "run"
        file.write_text(SETTINGS.format(kernels=KERNELS, fault=fault, every=every, seconds=2 * seconds + 30))
        process = subprocess.Popen(
            [sys.executable, "-m", "pal_core.cli.main", "run", "--quiet", str(file)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        try:
            begin = status_at(process, directory, None)
            begin = status_at(process, directory, begin["updated"] + WARM)
            end = status_at(process, directory, begin["updated"] + seconds)
            (directory / "stop").touch()
            process.communicate(timeout=LIMIT)
        finally:
            end_by_force(process)
    steps, labels, failed = (end[k] - begin[k] for k in ("steps", "labels", "failed_attempts"))
    return Rate(steps / (end["updated"] - begin["updated"]), labels, failed)


def end_by_force(process: subprocess.Popen[str]) -> None:
    """End a run that has not ended; the second signal makes the launcher end its ranks at once."""
    for _ in range(2):
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            time.sleep(0.5)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(GRACE)
    process.kill()
    process.wait()


def status_at(process: subprocess.Popen[str], directory: Path, moment: float | None) -> dict[str, Any]:
    """The first status of the phase `running`, or the first one after a moment."""
    deadline = time.monotonic() + LIMIT
    while time.monotonic() < deadline:
        if process.poll() is not None:
            sys.exit(f"the run has ended early:\n{process.communicate()[0]}")
        time.sleep(0.05)
        try:
            status: dict[str, Any] = json.loads((directory / "status.json").read_text())
        except FileNotFoundError:
            continue
        if status["phase"] == "running" and (moment is None or status["updated"] >= moment):
            return status
    sys.exit(f"no status of the phase running within {LIMIT:g} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=20.0, help="that are measured of every run")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--every", type=int, default=5, help="one of so many labels is hit")
    parser.add_argument("--fault", default=",".join(FAULTS))
    parser.add_argument("--limit", type=float, default=0.95, help="smallest ratio that will do")
    options = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, every {options.every}th label\n")
    print("| fault | steps/s without | steps/s with | ratio | labels | failed attempts |\n|---|---|---|---|---|---|")
    wrong = []
    for fault in options.fault.split(","):
        pairs = [
            (one_run("none", options.every, options.seconds), one_run(fault, options.every, options.seconds))
            for _ in range(options.repeats)
        ]
        without, hit = (statistics.median(p[i].steps_per_second for p in pairs) for i in (0, 1))
        ratio = statistics.median(b.steps_per_second / a.steps_per_second for a, b in pairs)
        labels, failed = (sum(getattr(b, name) for _, b in pairs) for name in ("labels", "failed"))
        print(f"| {fault} | {without:.0f} | {hit:.0f} | {ratio:.3f} | {labels} | {failed} |", flush=True)
        wrong += [f"{fault}: ratio {ratio:.3f}"] * (ratio < options.limit)
        wrong += [f"{fault}: {failed} failed attempts"] * ((failed == 0) != (fault in WITH_LABEL))
    if wrong:
        sys.exit("\n".join(wrong))


if __name__ == "__main__":
    main()
