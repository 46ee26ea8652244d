"""Checks of sound settings that import the kernels and read the initial data."""

from __future__ import annotations

from pathlib import Path

from pal_core.data import Schema
from pal_core.errors import PalError, Problem
from pal_core.plugins.discover import cause
from pal_core.plugins.host import PluginHost
from pal_core.runtime.initial import labels_of_run
from pal_core.runtime.level import level_of
from pal_core.runtime.starting import read_start
from pal_core.settings.lines import KeyPath, locate
from pal_core.settings.loaded import Loaded
from pal_core.settings.report import Report
from pal_core.spec import Reader, load_target

__all__ = ["check_deep"]


def check_deep(loaded: Loaded, host: PluginHost) -> list[Problem]:
    """Import every kernel that the settings name, ask it what this machine lacks, and read the initial data.

    Parameters
    ----------
    loaded : Loaded
    host : PluginHost

    Returns
    -------
    list of Problem
        What a run would fail of when its ranks build their kernels; empty if nothing.
    """
    report = Report(locate(loaded.text) if loaded.path else {})
    tables: list[KeyPath] = [("generator",), ("model",), *([("oracle",)] if loaded.oracle else []), ("selection",)]
    tables += [("check", i) for i in range(len(loaded.checks))]
    for path, kernel in zip(tables, loaded.kernels, strict=True):
        try:
            kernel.load().check_machine(kernel.options)
        except PalError as e:
            report.add((*path, "kernel"), e.message, "", e.hint)
    schema = loaded.sample_schema | (loaded.label_schema or Schema())
    if loaded.start is not None:
        try:
            for k in range(loaded.settings.model.members):
                read_start(loaded.start, k, loaded.model.spec.name)
        except PalError as e:
            report.add(("model", "start"), e.message.removeprefix("model.start: "), "", e.hint)
    for i, file in enumerate(loaded.initial):
        error = _unusable(file, schema, loaded) if file.is_dir() else _unreadable(file, schema, host)
        if error:
            report.add(("data", "initial", i), error, f"samples and labels with {', '.join(schema)}")
    return report.problems


def _unusable(run: Path, schema: Schema, loaded: Loaded) -> str | None:
    """Why the run in a directory gives no samples of `schema`."""
    try:
        batch, _, others = labels_of_run(run, schema, level_of(loaded))
    except (PalError, ValueError) as e:
        return f"{run.name}, which can't be used ({e})"
    if len(batch):
        return None
    return f"{run.name} without a label of this level of theory" if others else f"{run.name} without a single label"


def _unreadable(file: Path, schema: Schema, host: PluginHost) -> str | None:
    """Why `file` gives no samples of `schema`."""
    target = host.reader(file).read
    assert target is not None  # noqa: S101 (a reader is what was asked for)
    try:
        read: Reader = load_target(target)
        batch = read(file, schema)
    except Exception as e:
        return f"{file.name}, which can't be read ({cause(e)})"
    return None if len(batch) else f"{file.name} without a single sample"
