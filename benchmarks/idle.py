"""CPU of waiting ranks, and what they cost a rank that computes.

    python benchmarks/idle.py [--waiting 10,20] [--seconds 10]

Starts a toy run in which the oracle ranks have nothing to do and the walkers sleep, reads the CPU time of the oracle
ranks from /proc, and times a fixed piece of work beside it. Ratios are to the same work on the machine without the run.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SETTINGS = """
[run]
directory = "run"
[generator]
kernel = "pal.toy-walker"
options = {{ delay = 0.5 }}
[model]
kernel = "pal.toy-model"
members = 2
[training]
retrain_after = 1000
[oracle]
kernel = "pal.toy-oracle"
isolate = false
processes = {waiting}
[selection]
options = {{ field = "energy", upper = 1e9 }}
[data]
bootstrap = 8
[stop]
wall_time = {limit}
"""
TICKS = os.sysconf("SC_CLK_TCK")


def work() -> float:
    """Seconds for a fixed piece of Python; the best of three."""
    best = float("inf")
    for _ in range(3):
        begin = time.perf_counter()
        sum(i * i for i in range(4_000_000))
        best = min(best, time.perf_counter() - begin)
    return best


def ranks(run: Path) -> dict[int, int]:
    """Process id of every rank of the run."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().split(b"\0")
                environment = dict(v.split(b"=", 1) for v in (entry / "environ").read_bytes().split(b"\0") if b"=" in v)
            except OSError:
                continue
            rank = environment.get(b"OMPI_COMM_WORLD_RANK", environment.get(b"PMI_RANK"))
            if rank is not None and b"pal_core.worker" in command and str(run).encode() in command:
                found[int(rank)] = int(entry.name)
    return found


def cpu(pids: list[int]) -> float:
    """CPU seconds that processes have used so far."""
    fields = [Path(f"/proc/{p}/stat").read_text().rsplit(")", 1)[1].split() for p in pids]
    return sum(int(f[11]) + int(f[12]) for f in fields) / TICKS


def measure(waiting: int, seconds: float) -> None:
    alone = work()
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "idle.toml"
        file.write_text(SETTINGS.format(waiting=waiting, limit=600))
        command = [sys.executable, "-m", "pal_core.cli.main", "run", "-q", str(file)]
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            while '"running"' not in _status(Path(folder)):
                time.sleep(0.2)
            time.sleep(3.0)
            everyone = ranks(file)
            pids = [everyone[r] for r in _oracle_ranks(file)]
            begin, used = time.monotonic(), cpu(pids)
            time.sleep(seconds)
            share = (cpu(pids) - used) / (time.monotonic() - begin)
            beside = work()
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    print(
        f"{len(pids):>3} waiting ranks of {len(everyone)}: {share:6.1%} of a core together, "
        f"{share / len(pids):.2%} each; work beside the run takes {beside / alone:.2f} times as long as alone"
    )


def _oracle_ranks(file: Path) -> list[int]:
    command = [sys.executable, "-m", "pal_core.cli.main", "plan", "--json", str(file)]
    parts = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)["parts"]
    return [p["rank"] for p in parts if p["role"] == "oracle"]


def _status(folder: Path) -> str:
    try:
        return (folder / "run" / "status.json").read_text()
    except FileNotFoundError:
        return ""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--waiting", default="10,20")
    parser.add_argument("--seconds", type=float, default=10.0)
    options = parser.parse_args()
    for waiting in map(int, options.waiting.split(",")):
        measure(waiting, options.seconds)


if __name__ == "__main__":
    main()
