"""The main job from nothing: an independent test set, the run, errors before and after, a picture.

    python demo.py [--fresh]

Everything is written to ``runs/ethanol``: ``test500.extxyz`` (200 frames of GFN2-xTB dynamics at 500 K, which the run
never sees), ``evaluation.json`` (errors of the committee on it after every training round) and ``learning.png``.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SETTINGS = HERE / "ethanol.toml"
RUN = HERE / "runs" / "ethanol"
TEST_SET = RUN.parent / "test500.extxyz"
EVALUATION = RUN / "evaluation.json"
LABELS, LAST, SHARE = 300, 50.0, 0.4
"""What the example must reach: labels, last force error (meV/Å), and its share of the first."""


def pal(*arguments: str) -> None:
    command = [sys.executable, "-m", "pal_core.cli.main", *arguments]
    print("$ pal", *arguments, flush=True)
    done = subprocess.run(command, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def make_test_set() -> None:
    """Dynamics on the oracle itself, with a seed that the run doesn't use."""
    TEST_SET.parent.mkdir(parents=True, exist_ok=True)
    dynamics = ["--temperature", "500", "--frames", "200", "--interval", "20", "--seed", "11"]
    pal("reference", "--oracle", "xtb.gfn2", "--structure", str(HERE / "ethanol.xyz"), *dynamics, "-o", str(TEST_SET))


def forces_mae(record: dict[str, Any]) -> float:
    """Mean absolute error of the committee's mean forces, meV/Å."""
    return 1000.0 * float(record["errors"]["forces"]["mae"])


def draw(records: list[dict[str, Any]], path: Path) -> None:
    """The learning curve: force error and the committee's own uncertainty against labels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = [r["labels"] for r in records]
    spread = [1000.0 * r["errors"]["forces"]["std"] for r in records]
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    axes.semilogy(labels, [forces_mae(r) for r in records], "o-", label="force error on 500 K frames (MAE)")
    axes.semilogy(labels, spread, "s--", color="0.6", label="committee standard deviation")
    axes.set(xlabel="GFN2-xTB labels", ylabel="meV/Å", title="Ethanol: a SchNet committee learns from its walkers")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--fresh", action="store_true", help="remove what an earlier run has left, then begin anew")
    if parser.parse_args().fresh:
        shutil.rmtree(RUN, ignore_errors=True)
    if not TEST_SET.exists():
        make_test_set()
    begin = time.monotonic()
    pal("run", str(SETTINGS))
    seconds = time.monotonic() - begin
    pal("evaluate", str(SETTINGS), str(TEST_SET), "--output", str(EVALUATION))
    records = json.loads(EVALUATION.read_text())
    draw(records, RUN / "learning.png")
    pal("export", str(SETTINGS), "--format", "extxyz", "--force")
    first, last = forces_mae(records[0]), forces_mae(records[-1])
    print(f"force MAE on 200 frames at 500 K: {first:.1f} meV/Å after the first round, {last:.1f} after the last")
    labels = records[-1]["labels"]
    print(f"{labels} labels, {seconds:.0f} s of running; picture in {RUN / 'learning.png'}")
    if labels < LABELS or last > LAST or last > SHARE * first:
        sys.exit(f"less than expected: {LABELS} labels, {LAST:g} meV/Å at last and {SHARE:g} of the first error")


if __name__ == "__main__":
    main()
