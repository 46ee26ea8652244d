"""``pal run``."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pal_core.cli.common import host_of
from pal_core.cli.exit_codes import FAILED, RESUME
from pal_core.cli.progress import Progress, duration
from pal_core.cli.saying import Saying
from pal_core.errors import PalError, SettingsError
from pal_core.launch.signals import AT_ONCE, Wishes, heeding
from pal_core.settings.load import Loaded, load

if TYPE_CHECKING:
    from pal_core.launch.launcher import Launcher
    from pal_core.launch.slurm import Allocation
    from pal_core.launch.ways import Way
    from pal_core.plugins.host import PluginHost

__all__ = ["run"]


@click.command(short_help="Run to the stop rule, or go on with a run.")
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--in-process", is_flag=True, help="Everything in this process, without MPI: for debuggers and small runs."
)
@click.option(
    "--mpiexec",
    metavar="PROGRAM",
    help='What starts the ranks, options included ("srun --mpi=pmix"); default: this environment\'s own mpiexec.',
)
@click.option("--requeue", is_flag=True, help="As run.requeue = true: put the batch job into the queue again.")
@click.option("--accept-changes", is_flag=True, help="Go on although settings that stored data depend on have changed.")
@click.option("--quiet", "-q", is_flag=True, help="Show no progress.")
@click.pass_context
def run(  # noqa: PLR0917 - click passes by name
    context: click.Context,
    settings: Path,
    in_process: bool,
    mpiexec: str | None,
    requeue: bool,
    accept_changes: bool,
    quiet: bool,
) -> None:
    """Run to the stop rule of SETTINGS, or go on with the run in its directory.

    Starts the MPI ranks itself, on all nodes of a Slurm job if it is in one, and starts them again if they die. Ctrl-C,
    SIGTERM, SIGUSR1 and SIGHUP end the run in order, to be resumed by the same command; a second Ctrl-C or SIGTERM
    ends it at once. Exit codes: 0 stop rule met, 1 the run failed, 2 the settings are wrong, 75 stopped before its
    stop rule: run again to go on.
    """
    loaded = load(settings, host_of(context))
    say = Saying(quiet)
    for warning in loaded.warnings:
        say.error(f"warning: {SettingsError((), str(settings)).located(warning)}")
    progress = Progress(say.stream, quiet)
    if in_process:
        _report(loaded, _here(loaded, host_of(context), progress, accept_changes), say)
    else:
        _over_ranks(loaded, mpiexec, accept_changes, requeue or loaded.settings.run.requeue, progress, say)


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
        except KeyboardInterrupt:
            return {**shown.last, "outcome": "interrupted", "reason": AT_ONCE}
    return shown.last


@contextmanager
def _asked_by_signals() -> Iterator[Wishes]:
    """Signals that ask to stop; the second one, if it is urgent, interrupts."""
    wishes = Wishes()

    def hurry() -> None:
        if wishes.at_once:
            raise KeyboardInterrupt

    with heeding(wishes, hurry):
        yield wishes


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
    from pal_core.runtime.beginning import changed_files, changed_settings
    from pal_core.store.store import Store

    store = Store(loaded.directory, write=True)
    try:
        changed_settings(store, loaded.settings, accept_changes)
        changed_files(store, loaded, accept_changes)
    finally:
        store.close()


def _over_ranks(  # noqa: PLR0917 - all of them are of one call
    loaded: Loaded, mpiexec: str | None, accept_changes: bool, requeue: bool, progress: Progress, say: Saying
) -> None:
    """Start the ranks, report how the run ended, and put the job into the queue again where that is asked for."""
    from pal_core.launch.directory import clear_orphans
    from pal_core.launch.requeue import may_requeue
    from pal_core.launch.slurm import allocation
    from pal_core.launch.ways import LaunchError, find_way
    from pal_core.runtime.plan import make_plan

    job = allocation(os.environ)
    way = find_way(loaded.settings, job, mpiexec)
    make_plan(loaded.settings, way.processes)
    clear_orphans(loaded.directory, say.error)
    _look_first(loaded, accept_changes)
    launcher = _launcher(loaded, way, accept_changes, say)
    say.progress(f"starting {way.words}")
    try:
        status = launcher.run(progress)
    except LaunchError as error:
        if job is None or not requeue or not launcher.advanced:
            raise
        say.error(f"error: {error.message}\n  {error.hint}")
        _requeue(job, say)
        sys.exit(RESUME)
    again = job if requeue and may_requeue(status, launcher.wishes, launcher.advanced) else None
    _report(loaded, status, say, again)


def _launcher(loaded: Loaded, way: Way, accept_changes: bool, say: Saying) -> Launcher:
    from pal_core.launch.launcher import Launcher, Limits
    from pal_core.launch.requeue import end_of_run

    assert loaded.path is not None  # noqa: S101 - the settings came from a file
    settings = loaded.settings.run
    return Launcher(
        way,
        [str(loaded.path.absolute()), *(["--accept-changes"] if accept_changes else [])],
        loaded.directory,
        threads=settings.threads,
        limits=Limits(settings.stop_limit, settings.startup_limit, settings.max_restarts),
        say=say.error,
        end=end_of_run(os.environ, loaded.settings.stop.wall_time),
    )


def _requeue(job: Allocation, say: Saying) -> None:
    from pal_core.launch.slurm import requeue

    say.out(f"putting Slurm job {job.job} into the queue again")
    problem = requeue(job.job)
    if problem is not None:
        say.error(f"warning: scontrol requeue {job.job}: {problem}")


def _report(loaded: Loaded, status: dict[str, Any], say: Saying, again: Allocation | None = None) -> None:
    """Say how it ended, and with which exit code."""
    directory = os.path.relpath(loaded.directory)
    made, after = "", ""
    if "labels" in status:
        parts = ((status[name], name) for name in ("labels", "steps", "rounds"))
        made = ": " + ", ".join(f"{n} {name if n != 1 else name[:-1]}" for n, name in parts)
        after = duration(status["seconds"])
    if status["outcome"] == "failed":
        raise PalError(f"the run failed: {status['reason']}", f"labels made so far are kept in {directory}")
    if status["outcome"] == "interrupted":
        say.out(f"stopped ({status['reason']})" + (f" after {after}" if after else "") + made)
        say.out(f"go on with: pal run {os.path.relpath(loaded.path or '')}")
        if again is not None:
            _requeue(again, say)
        sys.exit(RESUME)
    if status["outcome"] != "done":
        sys.exit(FAILED)
    say.out(f"done ({status['reason']})" + (f" in {after}" if after else "") + made)
    say.out(f"results in {directory}; next: pal export {os.path.relpath(loaded.path or '')} --format npz")
