"""Transition states of twelve reactions: on the oracle itself, and on a committee that learns while it is searched.

    python benchmarks/transition_states.py plain oracle reference committee table --folder FOLDER [--only 3,7]

The surface is GFN2-xTB. `plain` is ASE's climbing-image NEB called with the oracle, as one would without PAL;
`reference` is geomeTRIC (an independent program, with its own coordinates and second derivatives), started from that
band's highest image; `oracle` is the walker `ase.ts-search` answered by the oracle; `committee` is a run with a
committee of SchNet models, whose transition states are then calculated with the oracle. Every part adds to
``results.json``, which `table` shows. geomeTRIC may be in an environment of its own (``--python``).
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from ase import units
from ase.io import read, write
from reactions import REACTIONS, Reaction

IMAGES = 7
FMAX = 0.01


def oracle(reaction: Reaction) -> Any:
    """GFN2-xTB, begun anew for every geometry."""
    from tblite.ase import TBLite

    return TBLite(method="GFN2-xTB", accuracy=0.01, verbosity=0, cache_api=False, multiplicity=reaction.multiplicity)


def plain(reaction: Reaction, folder: Path) -> dict[str, Any]:
    """ASE's own NEB between relaxed ends; writes its highest image."""
    from ase.mep import NEB
    from ase.optimize import BFGS, FIRE

    calls = 0

    def counting() -> Any:
        calculator = oracle(reaction)
        original = calculator.calculate

        def calculate(*arguments: Any, **keywords: Any) -> None:
            nonlocal calls
            calls += 1
            original(*arguments, **keywords)

        calculator.calculate = calculate
        return calculator

    from pal_ase.bands import interpolated, lay_upon

    ends = reaction.ends
    for end in ends:
        end.calc = counting()
        BFGS(end, logfile=None, maxstep=0.1).run(fmax=FMAX, steps=300)
    lay_upon(ends[1], ends[0])
    images = interpolated(ends, IMAGES, np.random.default_rng(1))
    for image in images[1:-1]:
        image.calc = counting()
    neb = NEB(images, k=1.0, climb=True, method="improvedtangent", remove_rotation_and_translation=True)
    converged = FIRE(neb, logfile=None, maxstep=0.1).run(fmax=0.05, steps=500)
    energies = [image.get_potential_energy() for image in images]
    top = int(np.argmax(energies))
    write(folder / "guess.xyz", images[top], plain=True)
    return {"calls": calls, "energy": float(energies[top]), "converged": bool(converged)}


def reference(reaction: Reaction, folder: Path, python: str) -> dict[str, Any]:
    """Let geomeTRIC go on from the band's highest image."""
    if not (folder / "guess.xyz").exists():
        return {"energy": None}
    keywords = {"method": "GFN2-xTB", "accuracy": 0.01, "verbosity": 0, "multiplicity": reaction.multiplicity}
    command = [python, "-m", "geometric.optimize", "--engine", "ase", "--ase-class=tblite.ase.TBLite"]
    command += [f"--ase-kwargs={json.dumps(keywords)}", "--transition", "yes", "--hessian", "first"]
    command += ["--converge", "set", "GAU_TIGHT", "--prefix", "reference", "guess.xyz"]
    subprocess.run(command, cwd=folder, capture_output=True, timeout=300, check=False)
    if not (folder / "reference_optim.xyz").exists():
        return {"energy": None}
    log = (folder / "reference.log").read_text()
    last = read(folder / "reference_optim.xyz", index=-1)
    last.calc = oracle(reaction)
    return {"energy": last.get_potential_energy(), "converged": "Converged!" in log}


def on_oracle(reaction: Reaction, folder: Path) -> dict[str, Any]:
    """The walker, whose geometries the oracle itself predicts."""
    from pal_ase.codec import sample_to_atoms
    from pal_ase.search_options import TsSearchOptions
    from pal_ase.transition import TsSearchWalker
    from pal_core.kernels import Context, Feedback, Sample, Stop

    write(folder / "pair.extxyz", list(reaction.ends))
    options = TsSearchOptions(
        structure=folder / "pair.extxyz", pairs=True, confirm=0, isolated=0, spread=0, trajectory=0, fmax=FMAX
    )
    walker = TsSearchWalker(options, Context("generator", directory=folder / "oracle"))

    def ask(sample: Sample) -> Feedback:
        atoms = sample_to_atoms(sample)
        atoms.calc = oracle(reaction)
        mean = {"energy": np.array(atoms.get_potential_energy()), "forces": atoms.get_forces()}
        return Feedback(mean, {}, 0.0, trusted=True, selected=False, version=1)

    calls = turns = 0
    answer: Any = None
    while not isinstance(asked := walker.propose(answer), Stop):
        band = [p.sample for p in asked] if isinstance(asked, tuple) else [asked]
        found = [ask(sample) for sample in band]
        answer = found if isinstance(asked, tuple) else found[0]
        calls, turns = calls + len(band), turns + 1
    walker.close()
    return {"calls": calls, "turns": turns, **found_in(folder / "oracle")}


def found_in(directory: Path) -> dict[str, Any]:
    """The record of a search."""
    path = directory / "transition-states" / "walker-000.json"
    records = json.loads(path.read_text()) if path.exists() else []
    names = ("found", "confirmed", "reason", "energy", "energy_std", "imaginary_frequency", "frequencies", "barrier")
    found = {name: records[0][name] for name in (*names, "connects") if name in records[0]} if records else {}
    return {"found": False, **found}


def with_committee(reaction: Reaction, folder: Path, seconds: float) -> dict[str, Any]:
    """A run; its transition state and what the oracle says of it."""
    from pal_core import api
    from pal_core.store.store import Store

    write(folder / "pair.extxyz", list(reaction.ends))
    search = {"structure": str(folder / "pair.extxyz"), "pairs": True, "trajectory": 0, "isolated": 0, "spread": 0}
    settings = {
        "run": {"directory": str(folder / "run"), "seed": 1},
        "generator": {"kernel": "ase.ts-search", "walkers": 1, "options": {**search, "fmax": 0.02, "confirm": 0.03}},
        "model": {"kernel": "schnet.committee", "members": 3, "options": {"features": 64, "batch_size": 8}},
        "training": {"retrain_after": 10, "final_time": 1},
        "oracle": {"kernel": "xtb.gfn2", "isolate": False, "options": {"accuracy": 0.1}},
        "selection": {"kernel": "pal.threshold", "options": {"field": "forces", "upper": 0.25}},
        "data": {"bootstrap": 60},
        "stop": {"labels": 600, "wall_time": seconds, "generators": "all"},
    }
    begin = time.time()
    result = api.run(settings, base=folder)
    store = Store(folder / "run")
    labels = len(store.labelled())
    store.close()
    found = found_in(folder / "run")
    outcome = {"labels": labels, "outcome": f"{result.outcome}: {result.reason}", "seconds": time.time() - begin}
    if found["found"]:
        frames = read(folder / "run" / "transition-states" / "walker-000.extxyz", index=":")
        there = next(f for f in frames if f.info["pal_role"] == "transition state")
        there.calc = oracle(reaction)
        outcome["oracle_energy"] = there.get_potential_energy()
        outcome["oracle_force"] = float(np.linalg.norm(there.get_forces(), axis=1).max())
    return {**outcome, **found}


def table(results: dict[str, dict[str, Any]]) -> str:
    """All parts side by side, in Markdown."""
    head = [
        "reaction", "E(TS), geomeTRIC", "oracle: off by", "imaginary", "connects", "calls (turns)", "plain NEB: calls",
        "its TS off by", "committee: labels", "energy off by", "geometry off by",
    ]  # fmt: skip
    rows = [head, ["---"] * len(head)]
    for reaction in REACTIONS:
        r = results.get(reaction.name, {})
        p, o, c = (r.get(part, {}) for part in ("plain", "oracle", "committee"))
        known = r.get("reference", {}).get("energy")
        modes = sum(f < -50 for f in o.get("frequencies", []))

        def off(energy: float | None, known: float | None = known) -> str:
            return "" if energy is None or known is None else f"{(energy - known) / units.Hartree:+.1e}"

        rows.append(
            [
                reaction.name,
                "" if known is None else f"{known / units.Hartree:.6f}",
                off(o.get("energy")),
                f"{modes}: {o['imaginary_frequency']:.0f}i" if o.get("found") else o.get("reason", ""),
                str(o.get("connects", "")),
                f"{o.get('calls', '')} ({o.get('turns', '')})",
                f"{p.get('calls', '')}{'' if p.get('converged') else ' (not converged)'}" if p else "",
                off(p.get("energy")),
                str(c.get("labels", "")) + ("" if c.get("confirmed") or not c else " (not confirmed)"),
                off(c.get("energy")),
                off(c.get("oracle_energy")),
            ]
        )
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="+", choices=["plain", "oracle", "reference", "committee", "table"])
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--only", default="", help="numbers of reactions, separated by commas")
    parser.add_argument("--python", default=sys.executable, help="one with geomeTRIC and tblite")
    parser.add_argument("--seconds", type=float, default=300.0, help="limit of a committee's run")
    arguments = parser.parse_args()
    chosen = [int(n) for n in arguments.only.split(",")] if arguments.only else range(len(REACTIONS))
    parts: dict[str, Callable[[Reaction, Path], dict[str, Any]]] = {
        "plain": plain,
        "oracle": on_oracle,
        "reference": lambda r, f: reference(r, f, arguments.python),
        "committee": lambda r, f: with_committee(r, f, arguments.seconds),
    }
    file = arguments.folder.resolve() / "results.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    for part in [p for p in arguments.parts if p != "table"]:
        for k in chosen:
            folder = file.parent / str(k)
            folder.mkdir(parents=True, exist_ok=True)
            try:
                found = parts[part](REACTIONS[k], folder)
            except Exception as error:  # one reaction's trouble is a line of the table
                found = {"found": False, "reason": f"{type(error).__name__}: {error}"}
            results.setdefault(REACTIONS[k].name, {})[part] = found
            print(part, REACTIONS[k].name, found, flush=True)
            file.write_text(json.dumps(results, indent=1))
    if "table" in arguments.parts:
        print(table(results))


if __name__ == "__main__":
    main()
