"""``pal stop``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import click

from pal_core.builtin.observer import read_status
from pal_core.cli.death import is_dead
from pal_core.cli.saying import say
from pal_core.cli.where import go_on, run_directory
from pal_core.errors import PalError
from pal_core.runtime.manager import STOP_FILE
from pal_core.store.links import refuse_links_out

__all__ = ["stop"]


@click.command(short_help="Ask a run to end.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--wait", default=0.0, metavar="SECONDS", help="Wait so long for the run to end; default: don't wait.")
def stop(run: Path, wait: float) -> None:
    """Ask the run of RUN (a settings file or a run directory) to end in order; `pal run` goes on with it later."""
    directory = run_directory(run)
    status = read_status(directory)
    if status is not None and status["outcome"] is not None:
        say(f"the run has ended already: {status['outcome']} ({status['reason']})")
        return
    if status is not None and is_dead(directory, status):
        say(f"nothing runs: process {status['pid']} has died without a word; go on with: {go_on(run)}")
        return
    refuse_links_out(directory)
    _ask(directory, status or {})
    end = time.monotonic() + wait
    while time.monotonic() < end:
        status = read_status(directory)
        if status is not None and status["outcome"] is not None:
            say(f"ended: {status['outcome']} ({status['reason']})")
            return
        time.sleep(0.2)
    if wait:
        raise PalError(f"the run has not ended within {wait:g} s", f"see what it is doing: pal status {run}")
    say(f"asked to stop; watch it: pal status {run}")


def _ask(directory: Path, status: dict[str, Any]) -> None:
    try:
        (directory / STOP_FILE).touch()
    except OSError as error:
        who = f"process {status['pid']} on {status['host']}" if {"pid", "host"} <= status.keys() else "`pal run`"
        raise PalError(
            f"{directory} can't be written to, which is how a run is asked to stop: {error.strerror}",
            f"as the user who started it: pal stop, or send SIGTERM to {who}",
        ) from error
