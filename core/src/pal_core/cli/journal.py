"""``pal journal``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pal_core.cli.common import print_json
from pal_core.cli.saying import say
from pal_core.cli.where import run_directory
from pal_core.store.store import Store

__all__ = ["entry_line", "journal"]


@click.command(short_help="Show what happened in a run.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--last", default=50, type=click.IntRange(1), metavar="N", help="The last N entries; default: 50.")
@click.option("--source", default="", metavar="TEXT", help="Only what sources tell whose name holds this text.")
@click.option("--all", "every", is_flag=True, help="Also what kernels of single walkers note.")
@click.option("--traces", is_flag=True, help="Also tracebacks.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def journal(run: Path, *, last: int, source: str, every: bool, traces: bool, as_json: bool) -> None:
    """Show the journal of RUN (a settings file or a run directory), newest last: losses, restarts, faults, settings.

    What walkers note ("generator 3") is left out, unless --all or --source asks for it.
    """
    store = Store(run_directory(run))
    try:
        found = store.journal(last, source=source, walkers=every or bool(source), traces=traces)
    finally:
        store.close()
    if as_json:
        print_json(found)
        return
    for entry in found:
        say(f"{time.strftime('%Y-%m-%d %H:%M:%S', time.localtime(entry['time']))} {_told(entry)}")
    if not found:
        say("nothing is written there" + (f" of a source with {source!r} in its name" if source else ""))


def _told(entry: dict[str, Any]) -> str:
    """Source and text; lines after the first are indented."""
    first, *rest = entry["text"].strip().splitlines() or [""]
    return "\n".join([f"{entry['source']}: {first}", *(f"    {line}" for line in rest)])


def entry_line(entry: dict[str, Any]) -> str:
    """An entry in one line, as `pal status` shows it."""
    when = time.strftime("%H:%M:%S", time.localtime(entry["time"]))
    return f"{when} {entry['source']}: {entry['text'].strip().partition(chr(10))[0]}"
