"""``pal labels``: what was set aside, and what becomes of it."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import click
import numpy as np

from pal_core.cli.common import columns, print_json
from pal_core.cli.saying import say
from pal_core.cli.where import go_on, run_directory
from pal_core.errors import PalError
from pal_core.store.store import Store

__all__ = ["QUARANTINE_FOLDER", "labels"]

QUARANTINE_FOLDER = "quarantine"
"""Folder of a run directory with the scratch files of attempts whose samples were set aside."""

_RUN = click.argument("run", type=click.Path(exists=True, path_type=Path))
_JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group(short_help="Look at labels that were set aside, and decide about them.")
def labels() -> None:
    """Samples that are set aside: a check refused their label, or every attempt to label them failed.

    RUN is a settings file or a run directory. What changes anything is refused while the run is going.
    """


@labels.command("list")
@_RUN
@_JSON
def list_(run: Path, as_json: bool) -> None:
    """List what is set aside, with the reasons."""
    directory, rows = _quarantined(run)
    if as_json:
        print_json([{**row, "scratch": _scratch(directory, row["sample"])} for row in rows])
        return
    if not rows:
        say("nothing is set aside")
        return
    table = [("sample", "class", "since", "label", "attempts", "reason")]
    say(columns([*table, *(_line(row) for row in rows)]))
    say(f"next: pal labels show {run} {rows[0]['sample']}; pal labels retry|accept|drop {run} ...")


@labels.command()
@_RUN
@click.argument("sample", type=int)
@_JSON
def show(run: Path, sample: int, as_json: bool) -> None:
    """Show why SAMPLE was set aside: reason, attempts with their evidence, label, what the models expected, files."""
    directory, rows = _quarantined(run)
    row = next((r for r in rows if r["sample"] == sample), None)
    if row is None:
        raise PalError(f"sample {sample} is not set aside", f"see which are: pal labels list {run}")
    store = Store(directory)
    try:
        label, expected, fields = store.suspicious(sample), store.expected(sample), store.samples([sample])[0]
    finally:
        store.close()
    values = {"fields": fields, "label": label, "expected": expected}
    if as_json:
        plain = {name: v and {k: np.asarray(a).tolist() for k, a in v.items()} for name, v in values.items()}
        print_json({**row, "scratch": _scratch(directory, sample), **plain})
        return
    for line in _told(row, values, _scratch(directory, sample)):
        say(line)
    accept = f"; pal labels accept {run} {sample}" if label is not None else ""
    say(f"next: pal labels retry {run} {sample}{accept}; pal labels drop {run} {sample}")


class _Choice(NamedTuple):
    """Which samples: one of the three is given."""

    samples: Sequence[int]
    every: bool
    reason: str | None


def _chosen(command: Callable[..., None]) -> Callable[..., None]:
    """Arguments by which samples are chosen."""
    for wrap in (
        click.option("--reason", metavar="TEXT", help="All whose reason holds this text."),
        click.option("--all", "every", is_flag=True, help="All that are set aside."),
        click.argument("samples", type=int, nargs=-1),
        _RUN,
    ):
        command = wrap(command)
    return command


@labels.command()
@_chosen
def retry(run: Path, samples: tuple[int, ...], every: bool, reason: str | None) -> None:
    """Have SAMPLES labelled again; their failed attempts don't count any more."""
    done = _settle(run, _Choice(samples, every, reason), Store.requeue)
    say(f"{_many(len(done))} {'waits' if len(done) == 1 else 'wait'} for a label again; next: {go_on(run)}")


@labels.command()
@_chosen
def accept(run: Path, samples: tuple[int, ...], every: bool, reason: str | None) -> None:
    """Train on the labels of SAMPLES although a check refused them; with --all or --reason: of those that have one."""
    done = _settle(run, _Choice(samples, every, reason), Store.accept, lambda row: bool(row["has_label"]))
    say(f"the labels of {_many(len(done))} are admitted and will be trained on; next: {go_on(run)}")


@labels.command()
@_chosen
def drop(run: Path, samples: tuple[int, ...], every: bool, reason: str | None) -> None:
    """Give SAMPLES up for good. They stay in the store, marked as dropped."""
    done = _settle(run, _Choice(samples, every, reason), Store.discard)
    say(f"{_many(len(done))} {'was' if len(done) == 1 else 'were'} given up; next: {go_on(run)}")


def _settle(
    run: Path,
    choice: _Choice,
    how: Callable[[Store, list[int]], None],
    fits: Callable[[dict[str, Any]], bool] = lambda row: True,
) -> list[int]:
    """Settle the chosen samples; returns which."""
    if bool(choice.samples) + choice.every + (choice.reason is not None) != 1:
        raise PalError("which samples?", "give their numbers, or --reason TEXT, or --all")
    directory = run_directory(run)
    # Opened to write, the store is locked, or refused while a run holds it.
    store = Store(directory, write=True)
    try:
        rows = store.quarantined()
        named = [r["sample"] for r in rows if fits(r) and (choice.reason or "").lower() in r["reason"].lower()]
        chosen = list(dict.fromkeys(choice.samples)) or named
        if not chosen:
            what = f"nothing that fits is set aside, of {len(rows)} samples" if rows else "nothing is set aside"
            raise PalError(what, f"see what is: pal labels list {run}")
        strangers = [n for n in chosen if n not in {r["sample"] for r in rows}]
        if strangers:
            raise PalError(
                f"not set aside: sample {', '.join(map(str, strangers))}", f"see what is: pal labels list {run}"
            )
        how(store, chosen)
    finally:
        store.close()
    return chosen


def _quarantined(run: Path) -> tuple[Path, list[dict[str, Any]]]:
    directory = run_directory(run)
    store = Store(directory)
    try:
        faults = store.faults(1)
        if faults:
            # The list would be short of what can't be found any more.
            raise store.damaged(faults[0])
        return directory, store.quarantined()
    finally:
        store.close()


def _scratch(directory: Path, sample: int) -> list[str]:
    """Kept scratch folders of a sample's attempts."""
    return sorted(str(path) for path in (directory / QUARANTINE_FOLDER).glob(f"{sample}-*"))


def _line(row: dict[str, Any]) -> tuple[str, ...]:
    kept = "kept" if row["has_label"] else "none"
    first_line = row["reason"].strip().partition("\n")[0]
    return str(row["sample"]), row["origin"], _when(row["time"]), kept, str(len(row["attempts"])), first_line


def _told(row: dict[str, Any], values: dict[str, Any], scratch: Sequence[str]) -> list[str]:
    lines = [f"sample {row['sample']} ({row['origin']}), set aside {_when(row['time'])}", f"reason: {row['reason']}"]
    if row["kernel"]:
        lines.append(f"labelled by: {row['kernel']} ({row['package']})")
    for name, fields in values.items():
        what = "sample" if name == "fields" else name
        lines += [f"{what} {key}: {_brief(np.asarray(value))}" for key, value in (fields or {}).items()]
    for a in row["attempts"]:
        outcome = f"{a['failure']}: {a['text']}" if a["failure"] else "gave a label"
        lines.append(f"attempt {a['number']} on {a['host']}, {_when(a['time'])}, {a['seconds'] or 0:.3g} s: {outcome}")
        lines += [f"  | {line}" for line in (a["evidence"] or "").strip().splitlines()]
    return [*lines, *(f"files: {path}" for path in scratch)]


def _brief(value: np.ndarray[Any, Any]) -> str:
    """A number or a few; of many the shape, extremes and how many are not finite."""
    if value.size <= 9:
        return " ".join(f"{v:.8g}" for v in value.ravel().astype(np.float64)) or "empty"
    finite = value[np.isfinite(value)].astype(np.float64)
    extremes = f"{finite.min():.6g} to {finite.max():.6g}" if finite.size else "no finite value"
    bad = f", {value.size - finite.size} not finite" if finite.size < value.size else ""
    return f"{' x '.join(map(str, value.shape))} values, {extremes}{bad}"


def _when(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))


def _many(count: int) -> str:
    return f"{count} sample{'s' if count != 1 else ''}"
