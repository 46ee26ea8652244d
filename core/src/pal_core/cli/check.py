"""`pal check`."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click

from pal_core.cli import exit_codes
from pal_core.cli.common import columns, host_of, print_json
from pal_core.cli.saying import say
from pal_core.errors import Problem, SettingsError
from pal_core.runtime.plan import PlanError, Processes, count_processes
from pal_core.settings.deep import check_deep
from pal_core.settings.load import load
from pal_core.settings.loaded import Loaded

__all__ = ["check"]


@click.command()
@click.argument("file", type=click.Path(path_type=Path))
@click.option("--light", is_flag=True, help="Import no kernels and read no data.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def check(context: click.Context, file: Path, light: bool, as_json: bool) -> None:
    """List every problem of the settings FILE.

    Imports the kernels that it names and reads its initial data, as a run would. Exit code 0 if it is sound (there may
    be warnings), 2 if not.
    """
    host = host_of(context)
    loaded: Loaded | None = None
    problems: Sequence[Problem]
    try:
        loaded = load(file, host)
        problems = [] if light else check_deep(loaded, host)
    except SettingsError as e:
        problems = e.problems
    if as_json:
        print_json(_as_json(file, loaded, problems))
    else:
        _print(file, loaded, problems)
    context.exit(exit_codes.USAGE if problems else exit_codes.DONE)


def _as_json(file: Path, loaded: Loaded | None, problems: Sequence[Problem]) -> dict[str, Any]:
    return {
        "file": str(file),
        "ok": not problems,
        "problems": [p.to_json() for p in problems],
        "warnings": [p.to_json() for p in loaded.warnings] if loaded else [],
        "kernels": _kernels(loaded) if loaded else [],
        "ranks": _ranks(loaded) if loaded else None,
    }


def _print(file: Path, loaded: Loaded | None, problems: Sequence[Problem]) -> None:
    located = SettingsError(problems, str(file)).located
    for problem in problems:
        say(located(problem))
    for warning in loaded.warnings if loaded else ():
        say(f"{located(warning)} (warning)")
    if problems or loaded is None:
        say(f"{len(problems)} problem{'s' if len(problems) > 1 else ''} in {file}")
        return
    say(f"{file} is sound")
    say(columns(map(_row, _kernels(loaded)), "  "))
    ranks = _ranks(loaded)
    if ranks is not None:
        roles = ", ".join(f"{role} {n}" for role, n in ranks.items() if n and role != "total")
        say(f"  {ranks['total']} ranks on this machine: {roles}")


def _row(kernel: dict[str, Any]) -> tuple[str, ...]:
    counts = [f"{key} {kernel[key]}" for key in ("walkers", "members") if key in kernel]
    return kernel["role"], kernel["name"], f"{kernel['distribution']} {kernel['version']}", *counts


def _kernels(loaded: Loaded) -> list[dict[str, Any]]:
    settings = loaded.settings
    counts = {"generator": ("walkers", settings.generator.walkers), "model": ("members", settings.model.members)}
    return [
        {
            "role": k.spec.role.value,
            "name": k.spec.name,
            "distribution": k.distribution,
            "version": k.version,
            **dict([counts[k.spec.role.value]] if k.spec.role.value in counts else []),
        }
        for k in loaded.kernels
    ]


def _ranks(loaded: Loaded) -> dict[str, int] | None:
    """Ranks per role if the run started here, outside an allocation."""
    try:
        found: Processes = count_processes(loaded.settings, os.cpu_count() or 1)
    except PlanError:
        return None
    return {
        "total": found.size,
        "controller": found.controllers,
        "prediction": found.prediction,
        "generator": found.generator,
        "oracle": found.oracle or 0,
        "training": found.training or 0,
    }
