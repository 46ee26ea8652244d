"""Time of an epoch while labels come faster than epochs end: with a rolling training set, and without.

    python benchmarks/rolling.py [--window 400] [--replay 200] [--labels 6000] [--settings FILE]

Runs over MPI, with every sample labelled and a round after every few labels, first with ``training.window``, then
without; each epoch's time is taken in the training rank, around the model, and what the first epoch of a round does to
prepare the data counts. Without ``--settings`` it is the toy's regression, of one epoch a round; a settings file brings
another model and oracle (its folder is copied, its stop rule, selection and training table are replaced).
"""

from __future__ import annotations

import argparse
import csv
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

from pal_core.cli.toml_text import toml_value
from pal_core.plugins.host import PluginHost
from pal_core.reading import parse_toml

TOY: dict[str, Any] = {
    "generator": {"kernel": "pal.toy-walker", "walkers": 64, "processes": 0, "options": {"patience": 0}},
    "model": {"kernel": "pal.toy-model", "members": 2, "processes": 0, "options": {"epochs": 1, "features": 1500}},
    "oracle": {"kernel": "pal.toy-oracle", "isolate": False, "processes": 1},
}
TIMED = """
import csv, time
from pathlib import Path
from pal_core.spec import load_target

class Timed(load_target({target!r})):
    Options = load_target({options!r})

    def __init__(self, options, context):
        super().__init__(options, context)
        self.labels = 0
        self.file = Path(context.directory) / f"epochs-{{context.index}}.csv"

    def extend(self, batch, validation):
        super().extend(batch, validation)
        self.labels += len(batch)

    def train(self):
        epochs, wall, cpu = super().train(), 0.0, 0.0
        while True:
            begin, used = time.perf_counter(), time.process_time()
            epoch = next(epochs, None)
            wall += time.perf_counter() - begin
            cpu += time.process_time() - used
            if epoch is None:
                return
            if getattr(epoch, "whole", False):
                with self.file.open("a", newline="") as file:
                    csv.writer(file).writerow([self.labels, wall, cpu])
                wall = cpu = 0.0
            yield epoch
"""
PARTS = 5


def settings(given: Path | None, folder: Path, options: argparse.Namespace, rolling: bool) -> Path:
    """A settings file in a folder of its own, with a timed model."""
    data = TOY if given is None else parse_toml(given.read_text(encoding="utf-8"))
    if given is not None:
        shutil.copytree(given.resolve().parent, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("runs"))
    spec = PluginHost.discover().find_kernel(data["model"]["kernel"])
    (folder / "timed.py").write_text(TIMED.format(target=spec.target, options=spec.options))
    training = {"processes": 1, "retrain_after": options.retrain_after, "final_time": 0.0, "validation": 0.1}
    training |= {"publish_every": 1, "first_epochs": 5}
    if rolling:
        training |= {"window": options.window, "replay": options.replay, "replay_by": "uncertainty"}
    data = {
        **{k: v for k, v in data.items() if k not in ("check", "placement")},
        "run": {"directory": "run", "seed": 3},
        "model": {**data["model"], "kernel": "timed.py:Timed"},
        "training": training,
        "selection": {"kernel": "pal.all"},
        "data": {"bootstrap": options.bootstrap},
        "stop": {"labels": options.labels},
    }
    data["oracle"] = {k: v for k, v in data["oracle"].items() if k not in ("ahead", "per_walker")}
    file = folder / "rolling.toml"
    tables = (f"[{name}]\n" + "".join(f"{k} = {toml_value(v)}\n" for k, v in t.items()) for name, t in data.items())
    file.write_text("\n".join(tables), encoding="utf-8")
    return file


def epochs(directory: Path) -> Iterator[tuple[int, float, float]]:
    """Labels, wall and CPU seconds of every epoch of every member."""
    for path in sorted(directory.glob("epochs-*.csv")):
        with path.open(newline="") as file:
            for labels, wall, cpu in csv.reader(file):
                yield int(labels), float(wall), float(cpu)


def measure(options: argparse.Namespace, rolling: bool) -> None:
    """One run, and its table."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        file = settings(options.settings, folder, options, rolling)
        subprocess.run([sys.executable, "-m", "pal_core.cli.main", "run", "-q", str(file)], check=True)
        found = list(epochs(folder / "run"))
        members = len(list((folder / "run").glob("epochs-*.csv")))
    first = (options.window + options.replay) if rolling else options.labels / 10
    edges = [first * (options.labels / first) ** (k / PARTS) for k in range(PARTS + 1)]
    head = f"window {options.window}, replay {options.replay}" if rolling else "all labels"
    come = options.labels * members / len(found)
    print(f"\n{head}: {len(found)} epochs; {come:.0f} labels came in the time of a round\n")
    print("| labels | epochs | median s | median CPU s | CPU, of the first |\n|" + "---|" * 5)
    base = None
    for low, high in pairwise(edges):
        part = [(wall, cpu) for labels, wall, cpu in found if low <= labels <= high]
        if len(part) < 3:
            print(f"| {low:.0f} to {high:.0f} | {len(part)} | | | |")
            continue
        wall, cpu = (statistics.median(column) for column in zip(*part, strict=True))
        base = base or cpu
        print(f"| {low:.0f} to {high:.0f} | {len(part)} | {wall:.4f} | {cpu:.4f} | {cpu / base:.2f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--settings", type=Path, help="another model and oracle")
    parser.add_argument("--window", type=int, default=400)
    parser.add_argument("--replay", type=int, default=200)
    parser.add_argument("--bootstrap", type=int, default=200)
    parser.add_argument("--labels", type=int, default=6000)
    parser.add_argument("--retrain-after", type=int, default=10)
    options = parser.parse_args()
    for rolling in (True, False):
        measure(options, rolling)


if __name__ == "__main__":
    main()
