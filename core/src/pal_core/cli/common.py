"""What commands share: the plugin host and tables of text."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

import click

from pal_core.cli.saying import say
from pal_core.plugins.host import PluginHost

__all__ = ["columns", "host_of", "print_json", "warn_of_plugins"]


def host_of(context: click.Context) -> PluginHost:
    """The plugin host of this call of `pal`; plugins are looked for at the first question."""
    root = context.find_root()
    if root.obj is None:
        root.obj = PluginHost.discover()
    found: PluginHost = root.obj
    return found


def columns(rows: Iterable[Sequence[str]], indent: str = "") -> str:
    """Rows of text in aligned columns; the last column may be of any length."""
    rows = [tuple(r) for r in rows]
    widths = [max(len(r[i]) for r in rows if len(r) > i) for i in range(max(map(len, rows), default=0))]
    lines = (indent + "  ".join(cell.ljust(width) for cell, width in zip(r, widths, strict=False)) for r in rows)
    return "\n".join(line.rstrip() for line in lines)


def print_json(data: Any) -> None:
    """Print a value as JSON."""
    say(json.dumps(data, indent=2, ensure_ascii=False, default=str))


def warn_of_plugins(host: PluginHost) -> None:
    """One line on stderr for every broken plugin and every name that two packages give."""
    for record in host.plugins:
        if record.error:
            say(f"warning: plugin {record.name} of {record.package} is broken: {record.error}", err=True)
    for clash in host.clashes:
        say(f"error: {clash}", err=True)
