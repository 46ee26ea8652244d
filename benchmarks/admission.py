"""How many bad labels are stopped, and how many good ones with them.

    python benchmarks/admission.py [--seeds 3] [--first 0] [--expect noise|nothing|schnet] [--molecules A,B]
                                   [--only pal.residual]

300 good GFN2-xTB labels and 30 with planted defects pass the oracle's host, `ase.trustworthy` and `pal.residual` in
random order, as in a run that begins with them: nothing is known of the molecule at first. After the first 48 labels
there is a committee: four members whose errors are drawn (`noise`, of the size given by `--forces`), real SchNets that
are trained on the labels admitted so far (`schnet`), or none (`nothing`).

The thresholds were chosen on ethanol, acetone, benzene, acetamide, methyl formate, ethylamine, pyridine, ethyl methyl
ether, propane, methanethiol and butadiene; none of these is among the molecules of the table.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from planted import KINDS, Case, frames, stream, stretched

from pal_ase.check_options import TrustworthyOptions
from pal_ase.schema import LABEL, SAMPLE
from pal_ase.trustworthy import Trustworthy
from pal_core import messages as m
from pal_core.builtin.check_options import ResidualOptions
from pal_core.builtin.residual import Residual
from pal_core.data import Batch
from pal_core.kernels import Context, Expected, Label, LabelCheck, Oracle, Sample
from pal_core.runtime.labelling import Labeller

MOLECULES = "CH3CHO,C4H4NH,CH3CH2Cl,isobutane"
BOOTSTRAP = 48
Committee = Callable[[Case, Sequence[tuple[Sample, Label]]], Expected | None]


class Planted(Oracle):
    """Gives the label that it is told to."""

    label_: Label

    def label(self, sample: Sample) -> Label:
        """That label, whatever the sample."""
        return self.label_


class Gate:
    """What stands between an oracle's program and the training set."""

    def __init__(self, only: str = "") -> None:
        self.oracle = Planted(None, Context("oracle"))
        self.labeller = Labeller(self.oracle, LABEL, Path(tempfile.mkdtemp(prefix="admission-")))
        checks: dict[str, LabelCheck] = {
            "ase.trustworthy": Trustworthy(TrustworthyOptions(), Context("check")),
            "pal.residual": Residual(ResidualOptions(), Context("check", 1)),
        }
        self.checks = [check for name, check in checks.items() if only in ("", name)]

    def objection(self, case: Case, expected: Expected | None) -> str | None:
        """Why the label is stopped, None if it is admitted."""
        self.oracle.label_ = case.label
        answer = self.labeller.label(m.Label(1, 1, Batch.from_samples(SAMPLE, [case.sample])))
        if isinstance(answer, m.LabelFailed):
            return answer.text
        label = answer.batch[0]
        for check in self.checks:
            reason = check.check(case.sample, label, expected)
            if reason is not None:
                return reason
        for check in self.checks:
            check.remember(case.sample, label)
        return None


def noise(forces: float, rng: np.random.Generator) -> Committee:
    """Four members with errors of `forces` eV/Å per component and a third of it in eV of the energy.

    The size differs from sample to sample (log-normal, 0.5), falls with the number of labels and is four times as
    large for stretched samples. Members share half of the variance of their errors, so that their deviation tells too
    little of it, as that of real committees does.
    """

    def expect(case: Case, known: Sequence[tuple[Sample, Label]]) -> Expected:
        size = forces * rng.lognormal(0, 0.5) * np.sqrt(100 / max(len(known), 25)) * (4 if case.stretched else 1)

        def members(value: np.ndarray, scale: float) -> np.ndarray:
            errors = rng.normal(size=(5, *value.shape)) * scale * np.sqrt(0.5)
            return value + errors[0] + errors[1:]

        said = {"energy": members(case.truth["energy"], size / 3), "forces": members(case.truth["forces"], size)}
        mean = {name: values.mean(axis=0) for name, values in said.items()}
        return Expected(mean, {name: values.std(axis=0, ddof=1) for name, values in said.items()})

    return expect


def run(
    cases: Sequence[Case], committee: Committee | None, only: str = "", verbose: bool = False
) -> Counter[tuple[str, bool]]:
    """Counts of (kind, stopped)."""
    gate, counts = Gate(only), Counter[tuple[str, bool]]()
    known: list[tuple[Sample, Label]] = []
    for place, case in enumerate(cases):
        expected = committee(case, known) if committee and len(known) >= BOOTSTRAP else None
        reason = gate.objection(case, expected)
        if reason is None:
            known.append((case.sample, case.label))
        counts[case.kind, reason is not None] += 1
        if verbose and (reason is None) == bool(case.kind):
            off = float(case.label["energy"] - case.truth["energy"])
            what = f"{case.kind}, {off:+.3f} eV off, let pass" if reason is None else f"good one stopped: {reason}"
            print(f"    label {place}{' (stretched)' if case.stretched else ''}: {what}", file=sys.stderr)
    return counts


def planned(pools: Sequence[str], good: int, bad: int, seed: int, temperature: float = 500.0) -> list[Case]:
    """Labels of these molecules together: `good` good ones, an eighth of them stretched, and `bad` bad ones."""
    rng = np.random.default_rng(seed)
    kinds = [KINDS[i % len(KINDS)] for i in range(bad)]
    own = sum(kind != "duplicate" for kind in kinds)
    share = [len(part) for part in np.array_split(np.arange(good + own), len(pools))]
    parts = []
    for name, count in zip(pools, share, strict=True):
        parts += [frames(name, temperature, count - count // 8, seed), stretched(name, count // 8, seed)]
    return list(stream(parts, kinds, rng))


def main() -> None:
    """Run all and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--molecules", default=MOLECULES, help=f"default: {MOLECULES}")
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first seed; default: 0")
    parser.add_argument("--expect", choices=("noise", "nothing", "schnet"), default="noise")
    parser.add_argument("--forces", type=float, default=0.15, help="size of drawn errors, eV/Å; default: 0.15")
    parser.add_argument("--only", default="", help="one of the two checks alone, by its name")
    parser.add_argument("--good", type=int, default=300)
    parser.add_argument("--bad", type=int, default=30)
    parser.add_argument("-v", "--verbose", action="store_true", help="say which were misjudged, and why")
    arguments = parser.parse_args()
    names = arguments.molecules.split(",")
    print(f"| molecule | seed | {' | '.join(KINDS)} | stopped | good ones stopped |")
    print("|---" * (len(KINDS) + 4) + "|")
    total: Counter[tuple[str, bool]] = Counter()
    for pools in [*([name] for name in names), *([names] if len(names) > 1 else [])]:
        for seed in range(arguments.first, arguments.first + arguments.seeds):
            cases = planned(pools, arguments.good, arguments.bad, seed)
            counts = run(cases, _committee(arguments, seed), arguments.only, arguments.verbose)
            total += counts
            print(_row("all together" if len(pools) > 1 else pools[0], str(seed), counts), flush=True)
    print(_row("sum", "", total))


def _committee(arguments: argparse.Namespace, seed: int) -> Committee | None:
    if arguments.expect == "schnet":
        from schnet_committee import Trained

        return Trained(seed)
    return noise(arguments.forces, np.random.default_rng([seed, 1])) if arguments.expect == "noise" else None


def _row(name: str, seed: str, counts: Counter[tuple[str, bool]]) -> str:
    kinds = [(counts[kind, True], counts[kind, True] + counts[kind, False]) for kind in KINDS]
    cells = [f"{found}/{of}" for found, of in kinds]
    bad = f"{sum(found for found, _ in kinds)}/{sum(of for _, of in kinds)}"
    good = f"{counts['', True]}/{counts['', True] + counts['', False]}"
    return f"| {' | '.join([name, seed, *cells, bad, good])} |"


if __name__ == "__main__":
    main()
