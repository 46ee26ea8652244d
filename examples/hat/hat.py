"""The HAT application from nothing: the oracle's own barriers, the run, the committee's barriers, a picture.

    python hat.py hat-xtb-mace.toml [--fresh] [--small]

Everything is written to the run directory: ``report.json`` and ``transition-states.extxyz`` (what the committee's own
searches have found, beside the oracle's), ``learning.png``. The oracle's barriers are computed once and kept in
``runs/reference-….json`` for all runs with this oracle.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
import time
from pathlib import Path

from reactions import REACTIONS, Reaction
from reference import reference
from report import report
from smaller import SMALLEST, smaller

from pal_core.plugins.host import PluginHost
from pal_core.settings.load import Loaded, load

HERE = Path(__file__).parent
WITHIN = 2.0
"""Mean absolute error of the unseen barriers that the example must reach, kcal/mol."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("settings", type=Path)
    parser.add_argument("--fresh", action="store_true", help="remove what an earlier run has left, then begin anew")
    parser.add_argument("--small", action="store_true", help="few labels, one reaction: a trial that takes a minute")
    choice = parser.parse_args()
    settings = smaller(choice.settings, HERE / "runs" / "small") if choice.small else choice.settings
    loaded = load(settings, PluginHost.discover())
    reactions = [r for r in REACTIONS if r.name == SMALLEST] if choice.small else list(REACTIONS)
    if choice.fresh:
        shutil.rmtree(loaded.directory, ignore_errors=True)
    error = whole(settings, loaded, reactions)
    if not choice.small and not error <= WITHIN:
        sys.exit(f"less than expected: unseen barriers are off by {error:.1f} kcal/mol, wanted {WITHIN:g} at most")


def whole(settings: Path, loaded: Loaded, reactions: list[Reaction]) -> float:
    """Reference, run, report; mean absolute error of the unseen barriers, kcal/mol."""
    wanted = reference(settings, loaded, reactions, HERE / "runs")
    begin = time.monotonic()
    pal("run", str(settings))
    seconds = time.monotonic() - begin
    error = report(settings, reactions, wanted)
    pal("export", str(settings), "--format", "extxyz", "--force")
    print(f"{seconds:.0f} s of running; report, transition states and picture in {loaded.directory}")
    return error


def pal(*arguments: str) -> None:
    command = [sys.executable, "-m", "pal_core.cli.main", *arguments]
    print("$ pal", *arguments, flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    main()
