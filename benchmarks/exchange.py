"""Turns of the exchange: steps per second, p50 and p99 of a turn, and the controller's own time.

    python benchmarks/exchange.py [--walkers 1,10,89,1000] [--output FILE]

No-op kernels with the payload of the paper's photodynamics case (115 float64 in, 805 out), four members. Two tables:
whole runs over MPI (walkers on one rank, the committee on one, the controller on one), and the controller alone, driven
by the same messages in one process. Times depend on the machine; compare columns of one table only. The floor is what
no exchange can avoid: mean and standard deviation of the members' outputs in numpy, and a ping-pong of the same bytes.
"""

from __future__ import annotations

import argparse
import json
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from noop import PREDICTION, SAMPLE

from pal_core import messages as m
from pal_core.data import Batch
from pal_core.launch.ways import find_mpiexec, mpiexec_command
from pal_core.plugins.host import PluginHost
from pal_core.runtime.exchange import ExchangeHost
from pal_core.runtime.host import Setup
from pal_core.runtime.plan import count_processes, make_plan
from pal_core.settings.load import from_dict
from pal_core.worker import keep_freed_memory

HERE = Path(__file__).parent
MEMBERS = 4
PINGPONG = """
import sys, time, numpy as np
from mpi4py import MPI
comm, there, back, turns = MPI.COMM_WORLD, int(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
a, b = bytearray(there), bytearray(back)
times = []
for _ in range(turns):
    begin = time.perf_counter()
    if comm.rank == 0:
        comm.Send(a, 1); comm.Recv(b, 1)
    else:
        comm.Recv(a, 0); comm.Send(b, 0)
    times.append(time.perf_counter() - begin)
if comm.rank == 0:
    print(float(np.median(times)))
"""


def settings(walkers: int, steps: int, directory: Path) -> dict[str, Any]:
    return {
        "run": {"directory": str(directory)},
        "generator": {
            "kernel": f"{HERE}/noop.py:Walker",
            "walkers": walkers,
            "processes": 1,
            "options": {"steps": steps, "times": str(directory / "times.npy")},
        },
        "model": {"kernel": f"{HERE}/noop.py:Member", "members": MEMBERS, "processes": 1},
        "selection": {"kernel": "pal.threshold", "options": {"field": "y", "upper": 10.0}},
    }


def toml(tables: dict[str, Any]) -> str:
    def value(v: Any) -> str:
        return (
            "{" + ", ".join(f"{k} = {value(x)}" for k, x in v.items()) + "}" if isinstance(v, dict) else json.dumps(v)
        )

    return "\n".join(f"[{t}]\n" + "\n".join(f"{k} = {value(v)}" for k, v in keys.items()) for t, keys in tables.items())


def whole_run(walkers: int, steps: int) -> dict[str, float]:
    with tempfile.TemporaryDirectory() as folder:
        directory = Path(folder) / "run"
        file = Path(folder) / "bench.toml"
        file.write_text(toml(settings(walkers, steps, directory)))
        command = [sys.executable, "-m", "pal_core.cli.main", "run", "--quiet", str(file)]
        subprocess.run(command, check=True, capture_output=True, timeout=600)
        turns = np.diff(np.load(directory / "times.npy"))[5:]
    return {
        "steps_per_second": walkers / turns.mean(),
        "p50_ms": 1e3 * float(np.quantile(turns, 0.5)),
        "p99_ms": 1e3 * float(np.quantile(turns, 0.99)),
    }


def controller(walkers: int, turns: int) -> float:
    """Median milliseconds of the controller per turn: decode, join, encode, statistics, selection, encode."""
    with tempfile.TemporaryDirectory() as folder:
        loaded = from_dict(settings(walkers, 1, Path(folder)), HERE, PluginHost.discover())
        setup = Setup(loaded, make_plan(loaded.settings, count_processes(loaded.settings, 2)), Path(folder))
        wire, sent = setup.wire(), []
        part = next(p for p in setup.plan.parts if p.role == "exchange")
        host = ExchangeHost(part, setup, lambda to, message: sent.append(wire.encode(to, "exchange", message)))
        host.start()
        numbers = np.arange(walkers)
        batch = Batch(SAMPLE, {"x": np.zeros((walkers, 115))})
        outputs = tuple(Batch(PREDICTION, {"y": np.full((walkers, 805), float(k))}) for k in range(MEMBERS))
        times = []
        for turn in range(turns):
            proposals = wire.encode(
                "exchange", "generator/0", m.Proposals(turn, numbers, batch, np.zeros(len(numbers), np.int64))
            )
            answers = m.Predicted(turn, tuple(range(MEMBERS)), (0,) * MEMBERS, outputs)
            predicted = wire.encode("exchange", "prediction/0", answers)
            begin = time.perf_counter()
            for buffer in (proposals, predicted):
                _, sender, message = wire.decode(buffer)
                host.receive(sender, message)
            times.append(time.perf_counter() - begin)
            sent.clear()
    return 1e3 * float(np.median(times))


def floor_statistics(walkers: int) -> float:
    """Milliseconds of numpy's mean and standard deviation over the members, by the cheapest way that we know."""
    outputs = np.random.default_rng(0).normal(size=(MEMBERS, walkers * 805))
    times = []
    for _ in range(20):
        begin = time.perf_counter()
        mean = outputs.mean(axis=0)
        outputs.std(axis=0, ddof=1, mean=mean[None])
        times.append(time.perf_counter() - begin)
    return 1e3 * float(np.median(times))


def floor_messages(walkers: int) -> float:
    """Milliseconds of a ping-pong of one turn's bytes: samples in and statistics back, samples out and outputs back."""
    total = 0.0
    for there, back in ((115, 2 * 805), (115, MEMBERS * 805)):
        worker = [sys.executable, "-c", PINGPONG, str(8 * walkers * there), str(8 * walkers * back), "200"]
        done = subprocess.run(mpiexec_command(find_mpiexec(), 2, worker), check=True, capture_output=True, text=True)
        total += 1e3 * float(done.stdout.split()[-1])
    return total


def main() -> None:
    keep_freed_memory()  # as in every rank
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--walkers", default="1,10,89,1000")
    parser.add_argument("--output", type=Path, help="write the numbers to this file as JSON")
    options = parser.parse_args()
    rows = []
    print(f"{platform.machine()}, Python {platform.python_version()}, numpy {np.__version__}")
    head = ("walkers", "steps/s", "p50 ms", "p99 ms", "floor ms", "p50/floor", "controller ms", "per walker us")
    print("  ".join(f"{h:>13}" for h in head))
    for walkers in map(int, options.walkers.split(",")):
        steps = max(200, min(2000, 60000 // walkers))
        row = {"walkers": walkers, **whole_run(walkers, steps)}
        row["floor_ms"] = floor_statistics(walkers) + floor_messages(walkers)
        row["controller_ms"] = controller(walkers, max(30, min(500, 20000 // walkers)))
        rows.append(row)
        ratio, each = row["p50_ms"] / row["floor_ms"], 1e3 * row["controller_ms"] / walkers
        numbers = (row["p50_ms"], row["p99_ms"], row["floor_ms"], ratio, row["controller_ms"], each)
        print(f"{walkers:>13}  {row['steps_per_second']:>13.0f}  " + "  ".join(f"{n:>13.3f}" for n in numbers))
    if options.output is not None:
        options.output.write_text(json.dumps(rows, indent=1))


if __name__ == "__main__":
    main()
