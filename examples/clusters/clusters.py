"""The cluster application from nothing: an initial and a held-out set, the run, errors of every charge, a picture.

    python clusters.py clusters.toml [--fresh] [--small] [--initial 8] [--held-out 8]

Everything is written to the run directory: ``report.json``, ``learning.png``, ``labels.extxyz``. The sets are made once
by the settings' oracle and kept in ``runs/sets``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from geometries import held_out, initial
from report import report
from sets import labelled_set, without_data
from smaller import smaller

from pal_core.reading import parse_toml

HERE = Path(__file__).parent
INITIAL, HELD_OUT = 5, 11
"""Seeds of the two sets, which no run has."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--fresh", action="store_true", help="remove what an earlier run has left, then begin anew")
    parser.add_argument("--small", action="store_true", help="few labels of dimers and trimers: a trial")
    parser.add_argument("--initial", type=int, default=8, help="initial labels of each charge")
    parser.add_argument("--held-out", type=int, default=8, help="held-out geometries of each charge")
    choice = parser.parse_args()
    settings = smaller(choice.settings, HERE / "runs" / "small") if choice.small else choice.settings
    directory = without_data(settings).directory
    if choice.fresh:
        shutil.rmtree(directory, ignore_errors=True)
    sets = make_sets(settings, choice.initial, choice.held_out)
    begin = time.monotonic()
    pal("run", str(settings))
    seconds = time.monotonic() - begin
    found = report(settings, *sets)
    pal("export", str(settings), "--format", "extxyz", "--force")
    print(f"{seconds:.0f} s of running; report, picture and labels in {directory}")
    worse = [q for q, row in found["charges"].items() if row["after"] >= row["before"]]
    if worse and not choice.small:
        sys.exit(f"less than expected: forces of charge {', '.join(worse)} are no better than before")


def make_sets(settings: Path, count: int, judged: int) -> tuple[Path, Path]:
    """Held-out and initial set; the latter is what ``data.initial`` names."""
    (name,) = parse_toml(settings.read_text(encoding="utf-8"))["data"]["initial"]
    path = settings.parent / name
    other = path.with_name(path.name.replace("initial", "held-out"))
    options = without_data(settings).generator.options
    labelled_set(path, initial(options, count, INITIAL), settings)
    labelled_set(other, held_out(options, judged, HELD_OUT), settings)
    return other, path


def pal(*arguments: str) -> None:
    command = [sys.executable, "-m", "pal_core.cli.main", *arguments]
    print("$ pal", *arguments, flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
