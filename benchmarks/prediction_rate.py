"""Energies and forces of potentials: how fast are they beside the library that they come from?

    python benchmarks/prediction_rate.py --plugin mace [--members 1,4] [--rounds 7] [--device cpu]

Predicted are one, 32 and 89 ethanol molecules (9 atoms) and one periodic cell of 64 copper atoms, graph building
included: by PAL's kernel, one by one by the library's own ASE calculator, and by the library's own batched forward.
All three have the same weights where the library takes them, and what they predict is compared first. They take turns,
round after round, and the fastest of the rounds counts. On a CPU the time is that of this process: other work on the
machine counts little.

What is particular to a library is in ``rates_<plugin>.py`` beside this file; see `rates.Rival`. Exits with 1 if the
kernel is slower than either.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Sequence

import numpy as np
import torch
from ase import Atoms
from ase.build import bulk, molecule
from rates import Rival

from pal_ase.codec import atoms_to_batch

CASES = (("ethanol", 1), ("ethanol", 32), ("ethanol", 89), ("64 copper atoms", 1))


def images(name: str, count: int) -> list[Atoms]:
    start = molecule("CH3CH2OH") if name == "ethanol" else bulk("Cu", cubic=True).repeat((2, 2, 4))
    out = []
    for seed in range(count):
        atoms = start.copy()
        atoms.rattle(0.05, seed=seed)
        out.append(atoms)
    return out


def kernel(rival: Rival, structures: Sequence[Atoms]) -> list[np.ndarray]:
    members = rival.members
    return [b.columns["forces"] for b in type(members[0]).predict_together(members, atoms_to_batch(structures))]


def fastest(tasks: Sequence[Callable[[], object]], rounds: int, device: str) -> list[float]:
    """Seconds of each task; the first two rounds are for warming up."""

    def clock() -> float:
        if device == "cpu":
            return time.process_time()
        torch.cuda.synchronize()
        return time.perf_counter()

    best = [np.inf] * len(tasks)
    for k in range(rounds + 2):
        for i, task in enumerate(tasks):
            begin = clock()
            task()
            best[i] = min(best[i], clock() - begin) if k > 1 else best[i]
    return best


def compare(rival: Rival, structures: Sequence[Atoms]) -> float:
    """Largest difference between forces of kernel and library, relative to the largest force."""
    ours, batched = kernel(rival, structures), rival.batched(structures)
    mean = np.mean(ours, axis=0)
    off = [np.abs(a - b).max() for a, b in zip(ours, batched, strict=True)]
    off.append(np.abs(mean - rival.one_by_one(structures)).max())
    return float(max(off) / np.abs(mean).max())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--plugin", default="mace", help="reads rates_<plugin>.py")
    parser.add_argument("--members", default="1,4")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args()
    torch.set_num_threads(1)
    make = importlib.import_module(f"rates_{options.plugin}").make
    slower = []
    print(f"{options.plugin}, {options.device}; ms for all samples, and how many times longer the library takes\n")
    print("| members | samples | kernel, ms | calculator | own batched forward | gain of batching | differs by |")
    print("|---|---|---|---|---|---|---|")
    for count in (int(text) for text in options.members.split(",")):
        rival = make(count, options.device)
        single = {}
        for name, samples in CASES:
            structures = images(name, samples)
            off = f"{compare(rival, structures):.0e}" if rival.same_weights else "-"
            tasks = (
                lambda: kernel(rival, structures),  # noqa: B023 - called in this round of the loop
                lambda: rival.one_by_one(structures),  # noqa: B023
                lambda: rival.batched(structures),  # noqa: B023
            )
            ours, calculator, batched = fastest(tasks, options.rounds, options.device)
            single.setdefault(name, ours)
            gain = single[name] * samples / ours
            print(
                f"| {count} | {samples} × {name} | {1e3 * ours:.1f} | {calculator / ours:.1f} | {batched / ours:.1f} "
                f"| {gain:.1f} | {off} |",
                flush=True,
            )
            if min(calculator, batched) < ours:
                slower.append(f"{samples} × {name}, {count} members")
    print(f"\nslower than the library: {'; '.join(slower) or 'nowhere'}")
    return 1 if slower else 0


if __name__ == "__main__":
    sys.exit(main())
