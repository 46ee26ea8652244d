"""``pal status``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pal_core.auditing import audit_line, audit_of
from pal_core.builtin.observer import read_status
from pal_core.builtin.status_form import is_whole
from pal_core.cli.common import print_json
from pal_core.cli.death import is_dead
from pal_core.cli.journal import entry_line
from pal_core.cli.progress import describe, duration
from pal_core.cli.saying import say
from pal_core.cli.where import go_on, run_directory
from pal_core.store.store import Store

__all__ = ["status"]

_STALE = 30.0
_ENTRIES = 5


@click.command(short_help="Show how a run is doing.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def status(run: Path, as_json: bool) -> None:
    """Show how the run of RUN (a settings file or a run directory) is doing, or how it ended."""
    directory = run_directory(run)
    found = read_status(directory) or {}
    store = Store(directory)
    try:
        counts, drops, told = store.counts(), store.drops(), store.told()
        audit, units = audit_of(store), {name: field.unit for name, field in store.schemas[1].items()}
        journal = store.journal(_ENTRIES, walkers=False, traces=False)
    finally:
        store.close()
    died = is_dead(directory, found)
    if as_json:
        print_json({**found, "died": died, "store": {**counts, "drops": drops}, "audit": audit, "journal": journal})
        return
    for line in _lines(found, go_on(run) if died else ""):
        say(line)
    say(f"stored: {told}")
    if audit["labels"]:
        say(audit_line(audit, units))
    for entry in journal:
        say(f"  {entry_line(entry)}")


def _lines(found: dict[str, Any], again: str = "") -> list[str]:
    """What the status says; `again` goes on with a run that has died."""
    if not is_whole(found):
        return ["no status has been written yet", *([f"the run died; go on with: {again}"] if again else [])]
    age = time.time() - found["updated"]
    if again:
        first = f"died: process {found['pid']} ended without a word {duration(age)} ago; go on with: {again}"
        # What would be left to do says nothing now.
        return [first, *describe({**found, "phase": "died", "outcome": "died", "dropped": 0})]
    lines = describe({**found, "dropped": 0})  # told by reason below
    if found["outcome"] is not None:
        lines.append(f"ended {duration(age)} ago: {found['outcome']} ({found['reason']})")
    elif age > _STALE:
        lines.append(
            f"no news for {duration(age)}: process {found['pid']} on {found['host']} may have died; pal run goes on"
        )
    return lines
