"""Kills at random instants: does a run lose, double or invent a label, and how soon does it work again?

    python benchmarks/faults.py [--kills 200] [--terms 50] [--ethanol 20] [--seed 1]

Runs of the toy (and for `--ethanol` of these kills, of the ethanol example's kernels) over MPI, started by `pal run`.
SIGKILL hits a random rank, mpiexec, or the whole tree with `pal run`, at random instants; SIGTERM hits `pal run`. When
`pal run` itself has ended the benchmark starts it again, as a user would. After its last kill every run goes on to
its stop rule, and its store is compared with the journal that the oracles keep by themselves
(`journal_oracles.py`).

*lost*: finished by an oracle, in the end not in the store and not waiting to be taken in. *doubled*: a sample labelled
twice in the store. *invented*: a label in the store that no oracle has finished. *works again*: seconds from the kill
to the first label or step beyond those before it.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
KILLS_PER_RUN = 20
WORK_LIMIT = 120.0
END_LIMIT = 300.0
TARGETS = ("rank", "rank", "rank", "mpiexec", "tree")
TOY = """
[run]
directory = "run"
seed = {seed}
snapshot_every = 1
max_restarts = 10
stop_limit = 15
[generator]
kernel = "pal.toy-walker"
walkers = 6
processes = 2
[model]
kernel = "pal.toy-model"
members = 4
processes = 2
options = {{ features = 50 }}
[training]
processes = 2
retrain_after = 20
final_time = 5
[oracle]
kernel = "{here}/journal_oracles.py:JournalToy"
processes = 3
options = {{ delay = 0.2, journal = "{folder}/journal" }}
[selection]
options = {{ field = "energy", upper = 2.0 }}
[data]
bootstrap = 24
[stop]
labels = {labels}
"""
ETHANOL = """
[run]
directory = "run"
seed = {seed}
snapshot_every = 2
max_restarts = 10
stop_limit = 15
[generator]
kernel = "ase.langevin"
walkers = 4
processes = 1
options = {{ structure = "{here}/../examples/ethanol/ethanol.xyz", temperature = 600, timestep = 0.5, rattle = 0.15 }}
[model]
kernel = "schnet.committee"
members = 2
processes = 1
[training]
processes = 1
retrain_after = 20
first_epochs = 20
final_time = 5
[oracle]
kernel = "{here}/journal_oracles.py:JournalXtb"
processes = 2
options = {{ delay = 0.2, journal = "{folder}/journal" }}
[selection]
options = {{ field = "forces", upper = 0.05 }}
[data]
bootstrap = 24
[stop]
labels = {labels}
"""


@dataclass
class Figures:
    """What was tried, and what came of it."""

    tried: Counter[str] = field(default_factory=Counter)
    lost: int = 0
    doubled: int = 0
    invented: int = 0
    labels: int = 0
    runs: int = 0
    by_hand: int = 0
    seconds: dict[str, list[float]] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)

    def add(self, other: Figures) -> None:
        """Add those of another run."""
        self.tried += other.tried
        for name in ("lost", "doubled", "invented", "labels", "runs", "by_hand"):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        for name, seconds in other.seconds.items():
            self.seconds.setdefault(name, []).extend(seconds)
        self.trouble += other.trouble


class Run:
    """One run in a folder of its own, killed now and then."""

    def __init__(self, folder: Path, text: str, seed: int, labels: int) -> None:
        self.folder = folder
        self.rng = random.Random(seed)  # noqa: S311 - nothing secret
        self.figures = Figures(runs=1)
        self._file = folder / "run.toml"
        self._file.write_text(text.format(seed=seed, here=HERE, folder=folder, labels=labels))
        self._output = (folder / "output").open("ab")
        self._process: subprocess.Popen[bytes] | None = None

    # --- the run

    def start(self) -> None:
        """`pal run`, in a session of its own."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "pal_core.cli.main", "run", "--quiet", str(self._file)],
            stdout=self._output,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            start_new_session=True,
        )

    @property
    def ended(self) -> bool:
        """Whether `pal run` has ended."""
        return self._process is None or self._process.poll() is not None

    def again(self) -> bool:
        """Start `pal run` again if it has ended before the run; False once the run has met its stop rule."""
        if not self.ended:
            return True
        code = None if self._process is None else self._process.returncode
        if code == 0:
            return False
        if code == 1:
            self.figures.trouble.append(f"{self.folder.name}: pal run gave up: {self.said()[-600:]}")
        self.figures.by_hand += 1
        self.start()
        return True

    def said(self) -> str:
        """What `pal run` has printed."""
        return (self.folder / "output").read_text(errors="replace")

    def progress(self) -> tuple[int, int]:
        """Labels and steps so far, by the store: that of a killed run is still right."""
        path = self.folder / "run" / "pal.sqlite"
        if not path.exists():
            return 0, 0
        with (
            contextlib.suppress(sqlite3.Error),
            contextlib.closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as db,
        ):
            labels = db.execute("SELECT COUNT(*) FROM labels").fetchone()[0]
            newest = db.execute("SELECT steps FROM history ORDER BY time DESC LIMIT 1").fetchone()
            return int(labels), int(newest[0]) if newest else 0
        return 0, 0

    # --- kills

    def processes(self) -> dict[str, list[int]]:
        """Processes of this run by what they are: pal run, mpiexec, ranks and others."""
        found: dict[str, list[int]] = {"mpiexec": [], "rank": [], "other": []}
        try:
            token = json.loads((self.folder / "run" / "launcher.json").read_text())["token"]
        except (OSError, ValueError, KeyError):
            return found
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    environment = (entry / "environ").read_bytes()
                    if f"LAUNCHED_BY_PAL={token}\0".encode() in environment:
                        found[_kind((entry / "cmdline").read_bytes())].append(int(entry.name))
        return found

    def kill(self, target: str) -> str:
        """Kill one target; returns what was hit, empty if there was nothing."""
        if self.ended:
            return ""
        assert self._process is not None
        if target == "term":
            self._process.terminate()
            return target
        found = self.processes()
        victims = {"rank": found["rank"], "mpiexec": found["mpiexec"]}.get(target)
        if victims is None:
            for pid in [self._process.pid, *found["mpiexec"], *found["rank"], *found["other"]]:
                _kill(pid)
            return target
        if not victims:
            return ""
        _kill(self.rng.choice(victims))
        return target

    def suffer(self, targets: list[str]) -> Figures:
        """Go through these kills, then to the end, then look at what is there."""
        self.start()
        for target in targets:
            self._wait_for_an_instant()
            before, hit = self.progress(), self.kill(target)
            if not hit:
                if not self.again():
                    break
                continue
            self.figures.tried[hit] += 1
            begin = time.monotonic()
            if hit in ("tree", "term"):
                self._process.wait(END_LIMIT) if self._process else None
            works = self._wait_for_progress(before, begin)
            if works is not None:
                self.figures.seconds.setdefault(hit, []).append(works)
        self._end()
        return self.figures

    def _wait_for_an_instant(self) -> None:
        """Mostly after the run works again, at times while it starts."""
        seconds = self.rng.uniform(0.0, 3.0)
        if self.rng.random() < 0.3:
            seconds = self.rng.uniform(0.0, 1.0)
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.again():
            time.sleep(0.05)

    def _wait_for_progress(self, before: tuple[int, int], begin: float) -> float | None:
        if self.rng.random() < 0.3:
            return None  # the next kill comes while the run is still starting
        while time.monotonic() - begin < WORK_LIMIT:
            if not self.again():
                return None
            labels, steps = self.progress()
            if labels > before[0] or steps > before[1]:
                return time.monotonic() - begin
            time.sleep(0.1)
        self.figures.trouble.append(f"{self.folder.name}: no progress within {WORK_LIMIT:g} s: {self.said()[-600:]}")
        return None

    def _end(self) -> None:
        begin = time.monotonic()
        while self.again():
            if time.monotonic() - begin > END_LIMIT:
                self.figures.trouble.append(f"{self.folder.name}: no end within {END_LIMIT:g} s")
                self.kill("tree")
                break
            time.sleep(0.2)
        self._output.close()
        self._compare()

    def _compare(self) -> None:
        journal = Counter(line.split()[0] for line in (self.folder / "journal").read_text().splitlines())
        with contextlib.closing(sqlite3.connect(self.folder / "run" / "pal.sqlite")) as db:
            stored = Counter(
                bytes(h).hex()
                for (h,) in db.execute("SELECT hash FROM samples WHERE id IN (SELECT sample FROM labels)")
            )
        figures = self.figures
        figures.labels += sum(stored.values())
        lost = [d for d in journal if d not in stored]
        figures.lost += len(lost)
        figures.doubled += sum(n - 1 for n in stored.values())
        figures.invented += sum(d not in journal for d in stored)
        if lost:
            figures.trouble.append(f"{self.folder}: lost {lost}")


def _kind(command: bytes) -> str:
    words = command.split(b"\0")
    if b"pal_core.worker" in words:
        return "mpiexec" if Path(words[0].decode()).name.startswith(("mpi", "pr")) else "rank"
    return "other"


def _kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)


def campaign(text: str, targets: list[str], seed: int, labels: int) -> Figures:
    """Runs of up to `KILLS_PER_RUN` kills each, until all have hit: some runs meet their stop rule before."""
    total, left = Figures(), list(targets)
    while left:
        with tempfile.TemporaryDirectory() as name:
            figures = Run(Path(name), text, seed + total.runs, labels).suffer(left[:KILLS_PER_RUN])
        total.add(figures)
        if not figures.tried:
            total.trouble.append(f"run {total.runs}: nothing could be killed")
            break
        for target in figures.tried.elements():
            left.remove(target)
        print(f"  run {total.runs}: {dict(figures.tried)}, {figures.labels} labels", file=sys.stderr, flush=True)
    return total


def report(name: str, figures: Figures) -> None:
    """A table row for each target, and the sums."""
    print(f"\n{name}: {figures.runs} runs, {figures.labels} labels, {figures.by_hand} starts by hand")
    print("| killed | instants | works again: median | longest |\n|---|---|---|---|")
    for target, count in figures.tried.items():
        seconds = figures.seconds.get(target, [])
        shown = f"{statistics.median(seconds):.1f} s | {max(seconds):.1f} s" if seconds else "- | -"
        print(f"| {target} | {count} | {shown} |")
    print(f"lost {figures.lost}, doubled {figures.doubled}, invented {figures.invented}")
    for line in figures.trouble:
        print(f"  {line}")


def main() -> None:
    """Both campaigns."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=200, help="SIGKILLs in all")
    parser.add_argument("--terms", type=int, default=50, help="SIGTERMs in all")
    parser.add_argument("--ethanol", type=int, default=20, help="how many of the SIGKILLs hit the ethanol example")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    rng = random.Random(options.seed)  # noqa: S311 - nothing secret
    on_ethanol = min(options.ethanol, options.kills)
    toy = [rng.choice(TARGETS) for _ in range(options.kills - on_ethanol)] + ["term"] * options.terms
    rng.shuffle(toy)
    bad = 0
    for name, text, targets, labels in (
        ("toy", TOY, toy, 400),
        ("ethanol", ETHANOL, [rng.choice(TARGETS) for _ in range(on_ethanol)], 200),
    ):
        if targets:
            figures = campaign(text, targets, options.seed, labels)
            report(name, figures)
            bad += figures.lost + figures.doubled + figures.invented + len(figures.trouble)
    sys.exit(bool(bad))


if __name__ == "__main__":
    main()
