"""``pal status``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pal_core.builtin.observer import read_status
from pal_core.builtin.status_form import is_whole
from pal_core.cli.common import print_json
from pal_core.cli.progress import describe, duration
from pal_core.cli.saying import say
from pal_core.cli.where import run_directory
from pal_core.store.store import Store

__all__ = ["status"]

_STALE = 30.0


@click.command(short_help="Show how a run is doing.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(run: Path, as_json: bool) -> None:
    """Show how the run of RUN (a settings file or a run directory) is doing, or how it ended."""
    directory = run_directory(run)
    found = read_status(directory) or {}
    store = Store(directory)
    try:
        counts, journal = store.counts(), store.journal(5)
    finally:
        store.close()
    if as_json:
        print_json({**found, "store": counts, "journal": journal})
        return
    for line in _lines(found):
        say(line)
    say("stored: " + ", ".join(f"{n} {k.replace('_', ' ')}" for k, n in counts.items() if n))
    for entry in journal:
        when = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
        first_line = entry["text"].strip().partition("\n")[0]
        say(f"  {when} {entry['source']}: {first_line}")


def _lines(found: dict[str, Any]) -> list[str]:
    if not is_whole(found):
        return ["no status has been written yet"]
    lines = describe(found)
    age = time.time() - found["updated"]
    if found["outcome"] is not None:
        lines.append(f"ended {duration(age)} ago: {found['outcome']} ({found['reason']})")
    elif age > _STALE:
        lines.append(
            f"no news for {duration(age)}: process {found['pid']} on {found['host']} may have died; pal run goes on"
        )
    return lines
