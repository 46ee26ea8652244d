"""``pal run``."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pal_core.cli.common import host_of
from pal_core.cli.exit_codes import FAILED, RESUME
from pal_core.cli.progress import Progress, duration
from pal_core.errors import PalError, SettingsError
from pal_core.settings.load import Loaded, load

if TYPE_CHECKING:
    from pal_core.plugins.host import PluginHost
    from pal_core.runtime.launch import Launcher

__all__ = ["run"]


@click.command(short_help="Run to the stop rule, or go on with a run.")
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--in-process", is_flag=True, help="Everything in this process, without MPI: for debuggers and small runs."
)
@click.option(
    "--mpiexec", metavar="PROGRAM", help="The mpiexec to start the ranks with; default: this environment's own."
)
@click.option("--accept-changes", is_flag=True, help="Go on although settings that stored data depend on have changed.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.pass_context
def run(  # noqa: PLR0917 - click passes by name
    context: click.Context, settings: Path, in_process: bool, mpiexec: str | None, accept_changes: bool, quiet: bool
) -> None:
    """Run to the stop rule of SETTINGS, or go on with the run in its directory.

    Starts the MPI ranks itself. Ctrl-C ends the run in order, to be resumed by the same command; a second Ctrl-C ends
    it at once. Exit codes: 0 stop rule met, 1 the run failed, 2 the settings are wrong, 75 stopped before its stop
    rule: run again to go on.
    """
    loaded = load(settings, host_of(context))
    for warning in loaded.warnings:
        click.echo(f"warning: {SettingsError((), str(settings)).located(warning)}", err=True)
    progress = Progress(sys.stderr, quiet)
    if in_process:
        status = _here(loaded, host_of(context), progress, accept_changes)
    else:
        launcher, limits = _launcher(loaded, mpiexec, accept_changes), loaded.settings.run
        _look_first(loaded, accept_changes)
        status = launcher.run(progress, limits.stop_limit, limits.startup_limit)
    _report(loaded, status)


def _here(loaded: Loaded, plugins: PluginHost, progress: Progress, accept_changes: bool) -> dict[str, Any]:
    from pal_core.api import RunError
    from pal_core.api import run as run_here

    shown = _Shown(progress)
    with _asked_by_signals() as asked:
        try:
            run_here(
                str(loaded.path),
                plugins=plugins,
                observers=[shown],
                should_stop=lambda: bool(asked),
                accept_changes=accept_changes,
            )
        except RunError:
            if shown.last.get("outcome") is None:
                raise
    return shown.last


@contextmanager
def _asked_by_signals() -> Iterator[list[int]]:
    """Signals that ask to stop, as they come; the second one interrupts."""
    asked: list[int] = []

    def ask(number: int, frame: object) -> None:
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = {n: signal.signal(n, ask) for n in (signal.SIGINT, signal.SIGTERM, signal.SIGUSR1)}
    try:
        yield asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class _Shown:
    """An observer that shows progress, and keeps the last status."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self.last: dict[str, Any] = {}

    def started(self, directory: Path, status: dict[str, Any]) -> None:
        self.progressed(status)

    def progressed(self, status: dict[str, Any]) -> None:
        self.last = status
        self._progress(status)

    def ended(self, status: dict[str, Any]) -> None:
        self.progressed(status)


def _look_first(loaded: Loaded, accept_changes: bool) -> None:
    """Find out before any rank starts that the directory is in use, or was made with other settings."""
    from pal_core.runtime.beginning import changed_settings
    from pal_core.store.store import Store

    store = Store(loaded.directory, write=True)
    try:
        changed_settings(store, loaded.settings, accept_changes)
    finally:
        store.close()


def _launcher(loaded: Loaded, mpiexec: str | None, accept_changes: bool) -> Launcher:
    from pal_core.runtime.launch import Launcher
    from pal_core.runtime.plan import count_processes, make_plan

    processes = count_processes(loaded.settings, os.cpu_count() or 1)
    make_plan(loaded.settings, processes)
    assert loaded.path is not None  # noqa: S101 - the settings came from a file
    arguments = [str(loaded.path.absolute()), *(["--accept-changes"] if accept_changes else [])]
    return Launcher(arguments, loaded.directory, processes.size, loaded.settings.run.threads, mpiexec)


def _report(loaded: Loaded, status: dict[str, Any]) -> None:
    """Say how it ended, and with which exit code."""
    directory = os.path.relpath(loaded.directory)
    made = f"{status['labels']} labels, {status['steps']} steps, {status['rounds']} rounds"
    if status["outcome"] == "failed":
        raise PalError(f"the run failed: {status['reason']}", f"labels made so far are kept in {directory}")
    if status["outcome"] == "interrupted":
        click.echo(f"stopped ({status['reason']}) after {duration(status['seconds'])}: {made}")
        click.echo(f"go on with: pal run {os.path.relpath(loaded.path or '')}")
        sys.exit(RESUME)
    if status["outcome"] != "done":
        sys.exit(FAILED)
    click.echo(f"done ({status['reason']}) in {duration(status['seconds'])}: {made}")
    click.echo(f"results in {directory}; next: pal export {os.path.relpath(loaded.path or '')} --format npz")
