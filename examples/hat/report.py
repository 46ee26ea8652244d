"""What a run's committees say of the barriers, beside the oracle."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase.units import kcal, mol
from barriers import Barrier
from reactions import GROUPS, Reaction
from search import Surface
from spread import committee_barriers
from surfaces import CommitteeSurface

from pal_core.api import Result, open_run

__all__ = ["report"]


def report(settings: Path, reactions: Sequence[Reaction], wanted: Sequence[Barrier]) -> float:
    """Write report, transition states and picture to the run directory; mean absolute error of the unseen barriers.

    Two things are measured. *Found*: the last committee searches from the same guesses as the oracle did, and knows
    nothing of where that ended. *Curve*: the committee's energies at the oracle's stationary points after every round.

    Returns
    -------
    float
        kcal/mol, of the searches (of the seen ones if there are no others); infinite if one has not ended in a
        transition state of its transfer.
    """
    result = open_run(settings)
    found = committee_barriers(settings, reactions)
    curve = _curve(result, wanted)
    errors = {group: _errors(found, wanted, [group]) for group in _groups(wanted)}
    if unseen := [group for group in errors if group != "seen"]:
        errors["all unseen"] = _errors(found, wanted, unseen)
    rows = [_row(f, w) for f, w in zip(found, wanted, strict=True)]
    text = json.dumps({"reactions": rows, "errors": errors, "curve": curve}, indent=1)
    (result.directory / "report.json").write_text(text)
    states = [f.state for f in found]
    for atoms, row in zip(states, rows, strict=True):
        atoms.info = {name: row[name] for name in ("name", "group", "barrier", "oracle_barrier", "sound")}
    ase.io.write(result.directory / "transition-states.extxyz", states)
    _draw(curve, result.directory / "learning.png")
    _print(rows, errors, curve)
    last = errors.get("all unseen", errors.get("seen", {}))
    return float("inf") if last["lost"] or last["barrier"] is None else float(last["barrier"])


def _groups(wanted: Sequence[Barrier]) -> list[str]:
    """Those that there are."""
    return [group for group in GROUPS if any(w.group == group for w in wanted)]


def _row(found: Barrier, wanted: Barrier) -> dict[str, Any]:
    return found.record() | {
        "oracle_barrier": wanted.barrier,
        "oracle_energy": wanted.energy,
        "oracle_modes": wanted.modes,
        "oracle_lengths": wanted.lengths,
    }


def _errors(found: Sequence[Barrier], wanted: Sequence[Barrier], groups: Sequence[str]) -> dict[str, Any]:
    """Mean absolute errors in kcal/mol; a search that ended elsewhere counts as lost.

    ``guess`` is what taking the seen reactions' mean barrier for all is off by: barriers that are all alike say little.
    """
    pairs = [(f, w) for f, w in zip(found, wanted, strict=True) if f.group in groups]
    sound = [(f, w) for f, w in pairs if f.sound]
    usual = float(np.mean([w.barrier for w in wanted if w.group == "seen"]))
    return {
        "barrier": _mean([f.barrier - w.barrier for f, w in sound]),
        "energy": _mean([f.energy - w.energy for f, w in pairs]),
        "guess": _mean([usual - w.barrier for _, w in pairs]),
        "reactions": len(pairs),
        "lost": len(pairs) - len(sound),
    }


def _curve(result: Result, wanted: Sequence[Barrier]) -> list[dict[str, Any]]:
    labels = {r["round"]: r["labels"] for r in result.rounds()}
    points = []
    for number in result.stored_rounds():
        surface = CommitteeSurface(result.models(number))
        off = [(w.group, *_at(surface, w)) for w in wanted]
        point: dict[str, Any] = {"round": number, "labels": labels[number]}
        for group in _groups(wanted):
            point[group] = _mean([barrier for g, barrier, _ in off if g == group])
            point[f"{group}_energy"] = _mean([energy for g, _, energy in off if g == group])
        points.append(point)
    return points


def _at(surface: Surface, wanted: Barrier) -> tuple[float, float]:
    """Errors of barrier and reaction energy at the oracle's stationary points, kcal/mol."""
    top, *minima = [energy * mol / kcal for energy, _ in surface([wanted.state, *wanted.minima])]
    ground, end = sum(minima[: len(minima) // 2]), sum(minima[len(minima) // 2 :])
    return top - ground - wanted.barrier, end - ground - wanted.energy


def _mean(differences: Sequence[float]) -> float | None:
    """Mean absolute value; None of nothing."""
    return float(np.abs(differences).mean()) if differences else None


def _draw(curve: Sequence[dict[str, Any]], path: Path) -> None:
    """The learning curve: errors of barriers against labels."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    labels = [point["labels"] for point in curve]
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    for group, style in zip(GROUPS, ("s--", "o-", "^-"), strict=True):
        if group in curve[0]:
            axes.semilogy(labels, [point[group] for point in curve], style, label=f"barriers, {group}")
    axes.axhline(1.0, color="0.6", linewidth=0.8)
    axes.set(xlabel="labels", ylabel="kcal/mol (mean absolute)", title="Hydrogen transfer: committee against oracle")
    axes.grid(visible=True, which="both", alpha=0.3)
    axes.legend()
    figure.savefig(path, dpi=150)
    plt.close(figure)


def _print(rows: Sequence[dict[str, Any]], errors: dict[str, Any], curve: Sequence[dict[str, Any]]) -> None:
    print(f"{'reaction':28s}{'':8s}{'barrier':>9s}{'oracle':>9s}{'energy':>9s}{'oracle':>9s}  imaginary modes, 1/cm")
    for row in rows:
        numbers = "".join(f"{row[k]:9.2f}" for k in ("barrier", "oracle_barrier", "energy", "oracle_energy"))
        modes = " ".join(f"{mode:.0f}" for mode in row["modes"]) or "none"
        lost = "" if row["sound"] else "  not a transition state of the transfer"
        print(f"{row['name']:28s}{row['group']:8s}{numbers}  {modes}{lost}")
    for group, e in errors.items():
        barriers = "unknown" if e["barrier"] is None else f"{e['barrier']:.2f} kcal/mol"
        print(
            f"{group}: barriers off by {barriers}, reaction energies by {e['energy']:.2f} (mean "
            f"absolute, {e['reactions']} reactions, {e['lost']} not found); guessing the mean of the seen barriers: "
            f"{e['guess']:.2f}"
        )
    for point in curve:
        off = ", ".join(f"{point[group]:.2f} ({group})" for group in GROUPS if group in point)
        print(
            f"round {point['round']}, {point['labels']} labels: at the oracle's stationary points barriers off by {off}"
        )
