"""``pal plan``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

import click

from pal_core.cli.common import columns, host_of, print_json
from pal_core.cli.saying import say
from pal_core.errors import SettingsError
from pal_core.launch.slurm import allocation, available_cores
from pal_core.launch.ways import LaunchError, find_way
from pal_core.runtime.plan import SPARE, Part, Processes, count_processes, make_plan
from pal_core.settings.load import Loaded, load

__all__ = ["plan"]


@click.command(short_help="Show which kernel runs on which rank.")
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option(
    "--ranks", type=click.IntRange(1), help="Ranks of an allocation; default: as many as the settings ask for."
)
@click.option("--nodes", help='Nodes and their ranks, as "n1:4,n2:8", to try out [[placement]].')
@click.option("--json", "as_json", is_flag=True, help="Print the plan as JSON.")
@click.pass_context
def plan(context: click.Context, settings: Path, ranks: int | None, nodes: str | None, as_json: bool) -> None:
    """Show which kernel of SETTINGS runs on which rank, node and GPU, before anything starts."""
    loaded = load(settings, host_of(context))
    located = SettingsError(loaded.warnings, str(settings)).located
    for warning in loaded.warnings:
        say(f"{located(warning)} (warning)", err=True)
    names = _nodes(nodes)
    size = ranks or (len(names) if names else None)
    processes, start = _start(loaded, size)
    made = make_plan(loaded.settings, processes, names)
    if as_json:
        print_json(
            {
                "ranks": made.size,
                "start": start,
                "parts": [
                    {**vars(p), "node": made.nodes[p.rank], "kernel": _kernel(loaded, p.role)} for p in made.parts
                ],
            }
        )
        return
    rows: list[tuple[str, ...]] = [("rank", "node", "role", "kernel", "what", "gpu")]
    for rank in range(made.size):
        rows += [_row(loaded, part, made.nodes[rank]) for part in made.on(rank)]
    say(columns(rows))
    say(start)


def _start(loaded: Loaded, size: int | None) -> tuple[Processes, str]:
    """Numbers of ranks, and how `pal run` would start them here."""
    job = allocation(os.environ)
    if size is not None:
        cores = available_cores(job)
        return count_processes(loaded.settings, cores, size), f"{size} ranks; numbers left out are for {cores} cores"
    try:
        way = find_way(loaded.settings, job)
    except LaunchError as error:
        processes = count_processes(loaded.settings, available_cores(job))
        return processes, f"{processes.size} ranks; pal run can't start them: {error}"
    return way.processes, f"pal run starts {way.words}"


def _nodes(text: str | None) -> Sequence[str] | None:
    if text is None:
        return None
    out: list[str] = []
    for item in text.split(","):
        name, _, count = item.partition(":")
        if not count.isdigit():
            raise click.BadParameter(f"{item!r} is not of the form NODE:RANKS", param_hint="--nodes")
        out += [name] * int(count)
    return out


def _kernel(loaded: Loaded, role: str) -> str:
    table = {"prediction": "model", "training": "model", "exchange": "selection"}.get(role, role)
    kernel = getattr(loaded, table, None)
    return "" if kernel is None else str(kernel.spec.name)


def _row(loaded: Loaded, part: Part, node: str) -> tuple[str, ...]:
    things = {"generator": "walkers", "prediction": "members", "training": "members", "oracle": "worker"}
    what = "takes a lost rank over" if part.role == SPARE else "controller"
    if part.role in things:
        what = f"{things[part.role]} {_span(part.indices)}"
    gpu = "" if part.gpu is None else str(part.gpu)
    return (str(part.rank), node or "-", part.role, _kernel(loaded, part.role) or "-", what, gpu or "-")


def _span(indices: tuple[int, ...]) -> str:
    if not indices:
        return "none"
    return str(indices[0]) if len(indices) == 1 else f"{indices[0]}-{indices[-1]}"
