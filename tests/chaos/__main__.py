"""Runs campaigns: ``python tests/chaos --seed N`` replays one, ``python tests/chaos --seeds 1000`` runs many."""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from collections.abc import Iterable
from multiprocessing import Pool

from broken import BROKEN
from campaign import Campaign, Result

from pal_core.control.manager import Manager

MACHINES = {machine.__name__: machine for machine in (Manager, *BROKEN)}


def play(task: tuple[int, str]) -> Result:
    """One campaign with one of the machines."""
    seed, machine = task
    return Campaign(seed, MACHINES[machine]).run()


def summary(results: Iterable[Result], seconds: float) -> str:
    """What has been seen, in a table."""
    found = list(results)
    faults, ends = sum((r.faults for r in found), Counter()), sum((r.ends for r in found), Counter())
    lines = [
        f"seeds       {len(found)} ({sum(bool(r.violation) for r in found)} with a violation), {seconds:.0f} s",
        f"sessions    {sum(r.sessions for r in found)}: " + ", ".join(f"{n} {k}" for k, n in ends.most_common()),
        f"labels      {sum(r.labels for r in found)} stored of {sum(r.finished for r in found)} finished by oracles",
        f"events      {sum(r.events for r in found)}",
        "faults",
        *(f"  {n:9d}  {name}" for name, n in faults.most_common()),
    ]
    return "\n".join(lines)


def main() -> int:
    """Exit status 1 if a promise was broken."""
    parser = argparse.ArgumentParser(prog="python tests/chaos", description=__doc__)
    parser.add_argument("--seed", type=int, help="replay this campaign")
    parser.add_argument("--seeds", type=int, default=1000, help="run so many campaigns")
    parser.add_argument("--first", type=int, default=0, help="seed of the first of them")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--machine", choices=MACHINES, default=Manager.__name__, help="the real one, or a broken one")
    options = parser.parse_args()
    seeds = [options.seed] if options.seed is not None else range(options.first, options.first + options.seeds)
    began = time.monotonic()
    results = []
    with Pool(min(options.processes, len(seeds))) as pool:
        for result in pool.imap_unordered(play, [(seed, options.machine) for seed in seeds]):
            results.append(result)
            if result.violation:
                again = "" if options.machine == Manager.__name__ else f" --machine {options.machine}"
                print(f"seed {result.seed}: {result.violation}")
                print(f"replay: python tests/chaos --seed {result.seed}{again}")
    print(summary(results, time.monotonic() - began))
    return int(any(r.violation for r in results))


if __name__ == "__main__":
    sys.exit(main())
