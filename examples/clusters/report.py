"""What a run has learned of each charge: errors on held-out geometries, uncertainty, labels."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from pal_ase.formats.extxyz import read
from pal_core.api import Result, open_run
from pal_core.data import Batch
from pal_core.evaluation import evaluate
from pal_core.store.store import Store

__all__ = ["report"]


def report(settings: Path, held_out: Path, initial: Path) -> dict[str, Any]:
    """Write ``report.json`` and ``learning.png`` to the run directory and print a table.

    Returns
    -------
    dict
        ``charges``: for every charge force errors before (the committee that knows the initial set only) and after, the
        committee's standard deviation, and labels; ``curve``: errors after every round; ``left``: clusters that
        walkers have left, by reason.
    """
    result = open_run(settings)
    schema = result.loaded.sample_schema | result.loaded.prediction_schema
    judged = read(held_out, schema)
    charges = sorted({int(c) for c in judged.columns["charge"]})
    parts = {charge: judged.take(judged.columns["charge"] == charge) for charge in charges}
    curve = _curve(result, parts)
    labels = Counter(int(c) for c in result.dataset().columns["charge"])
    given = Counter(int(c) for c in read(initial, schema).columns["charge"])
    rows = {str(q): _row(curve, parts[q], q, labels[q] - given[q], given[q]) for q in charges}
    found = {"charges": rows, "curve": curve, "left": _left(result.directory)}
    (result.directory / "report.json").write_text(json.dumps(found, indent=1))
    _draw(curve, charges, result.directory / "learning.png")
    _print(found)
    return found


def _curve(result: Result, parts: dict[int, Batch]) -> list[dict[str, Any]]:
    """Force errors and standard deviations per charge after every round, eV/Å."""
    points: dict[int, dict[str, Any]] = {}
    for charge, batch in parts.items():
        for record in evaluate(result, batch):
            point = points.setdefault(record["round"], {"round": record["round"], "labels": record["labels"]})
            errors = record["errors"]["forces"]
            point[str(charge)] = {"mae": errors["mae"], "std": errors["std"]}
    return list(points.values())


def _row(curve: list[dict[str, Any]], batch: Batch, charge: int, labels: int, given: int) -> dict[str, Any]:
    first, last = curve[0][str(charge)], curve[-1][str(charge)]
    return {
        "before": first["mae"],
        "after": last["mae"],
        "deviation_before": first["std"],
        "deviation_after": last["std"],
        "mean_force": float(np.abs(batch.columns["forces"]).mean()),
        "held_out": len(batch),
        "initial": given,
        "labels": labels,
    }


def _left(directory: Path) -> dict[str, int]:
    """Clusters that walkers have left since a guard refused the next geometry, by what it said."""
    store = Store(directory)
    try:
        notes = [entry["text"] for entry in store.journal(100_000, walkers=True)]
    finally:
        store.close()
    reasons = [note.split("): ", 1)[1] for note in notes if " leaves " in note]
    return dict(Counter(" ".join(reason.split()[:2]).rstrip(":") for reason in reasons))


def _draw(curve: list[dict[str, Any]], charges: list[int], path: Path) -> None:
    """The learning curve: force error and deviation of each charge against labels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = [point["labels"] for point in curve]
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for charge, colour in zip(charges, ("C0", "C1", "C2", "C3", "C4"), strict=False):
        mae, std = ([point[str(charge)][name] for point in curve] for name in ("mae", "std"))
        axes.semilogy(labels, mae, "o-", color=colour, label=f"charge {charge:+d}")
        axes.semilogy(labels, std, ":", color=colour)
    axes.set(xlabel="labels", ylabel="eV/Å", title="Forces on held-out clusters: error, and deviation (dotted)")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _print(found: dict[str, Any]) -> None:
    print("force MAE on held-out clusters, eV/Å (committee's standard deviation in brackets)")
    print(f"{'charge':>6s} {'before':>15s} {'after':>15s} {'mean force':>11s} {'labels':>14s}")
    for charge, row in found["charges"].items():
        before, after = (f"{row[k]:.3f} ({row[f'deviation_{k}']:.3f})" for k in ("before", "after"))
        labels = f"{row['initial']} + {row['labels']}"
        print(f"{int(charge):+6d} {before:>15s} {after:>15s} {row['mean_force']:11.3f} {labels:>14s}")
    left = ", ".join(f"{count} ({reason})" for reason, count in found["left"].items())
    print(f"clusters that walkers have left: {left or 'none'}")
