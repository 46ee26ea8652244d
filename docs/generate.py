"""Writes the parts of the documents that say what the code says: ``python docs/generate.py``.

A generated part stands between ``<!-- generated: NAME -->`` and ``<!-- end -->``; `PARTS` has its maker. Run it with
pal-core installed. The repository's tests fail while a document is behind the code.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import get_args

import click

from pal_core import hookspecs, messages
from pal_core.builtin import plugin
from pal_core.cli.describe import Option, options_of
from pal_core.cli.main import COMMANDS, cli
from pal_core.cli.toml_text import toml_value
from pal_core.control import exchange, manager, vocabulary
from pal_core.control.diagrams import mermaid
from pal_core.observe import Observer
from pal_core.plugins.host import PluginHost
from pal_core.settings.model import Convergence, Reinitialise
from pal_core.settings.tables import TABLES
from pal_core.spec import FormatSpec, KernelSpec, Reader, Writer, load_target

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "core" / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
_PART = re.compile(r"(<!-- generated: ([\w-]+) -->\n).*?(<!-- end -->)", re.DOTALL)
_ARRAYS = ("check", "placement")
_BELOW = {"stop": {"converged": Convergence}, "training": {"reinitialise": Reinitialise}}


def updated(text: str) -> str:
    """A document with its generated parts made anew."""
    return _PART.sub(lambda found: f"{found[1]}\n{PARTS[found[2]]().strip()}\n\n{found[3]}", text)


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(_cell(c) for c in cells) + " |"


def _cell(text: str) -> str:
    """Text for a table: one line, bars escaped, and angle brackets too outside of code."""
    parts = text.replace("|", "\\|").replace("\n", " ").split("`")
    return "`".join(p if i % 2 else p.replace("<", "&lt;") for i, p in enumerate(parts))


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)])


def _first_sentence(thing: object) -> str:
    return inspect.cleandoc(inspect.getdoc(thing) or "").partition("\n\n")[0].replace("\n", " ")


def _options(options: Iterable[Option]) -> str:
    rows = []
    for o in options:
        default = "required" if o.required else "not set" if o.default is None else f"`{toml_value(o.default)}`"
        kind = f"`{o.kind}`" if "|" in o.kind else o.kind
        rows.append((f"`{o.name}`", kind, default, o.unit, o.description))
    return _table(("key", "type", "default", "unit", "meaning"), rows)


def settings() -> str:
    """Every table of a settings file."""
    parts = []
    for name, model in TABLES.items():
        title = f"[[{name}]]" if name in _ARRAYS else f"[{name}]"
        parts += [f"## `{title}`", _first_sentence(model), _options(options_of(model))]
        for key, below in _BELOW.get(name, {}).items():
            parts += [f"### `{name}.{key}`", _first_sentence(below), _options(options_of(below))]
    return "\n\n".join(parts)


def hooks() -> str:
    """Every hook with its signature and docstring."""
    parts = []
    for name in sorted(n for n in hookspecs.__all__ if n.startswith("pal_")):
        hook = getattr(hookspecs, name)
        text = inspect.cleandoc(hook.__doc__)
        parts += [f"## `{name}{_signature(hook)}`", re.sub(r"``?([^`]+)``?", r"`\1`", text)]
    return "\n\n".join(parts)


def records() -> str:
    """What hooks return, with its fields or methods."""
    parts = []
    for cls in (KernelSpec, FormatSpec, Reader, Writer, Observer):
        parts += [f"### `{cls.__name__}`", f"```text\n{inspect.getdoc(cls)}\n```"]
        methods = [m for n, m in vars(cls).items() if inspect.isfunction(m) and (n == "__call__" or n[0] != "_")]
        if cls not in (KernelSpec, FormatSpec):
            rows = [(f"`{m.__name__}{_signature(m)}`", _first_sentence(m)) for m in methods]
            parts.append(_table(("method", "meaning"), rows))
    return "\n\n".join(parts)


def _signature(function: Callable[..., object]) -> str:
    return str(inspect.signature(function)).replace("'", "").replace("(self, ", "(")


def _option(option: click.Option) -> tuple[str, ...]:
    names = ", ".join(f"`{o}`" for o in option.opts)
    value = ""
    if isinstance(option.type, click.Choice):
        value = " | ".join(map(str, option.type.choices))
    elif not option.is_flag:
        value = option.metavar or option.type.name.upper().split()[0]
    required = " (required)" if option.required else ""
    return names + (f" `{value}`" if value else "") + required, str(option.help)


def _command(command: click.Command, name: str = "") -> list[str]:
    """Heading, help and options of a command, and those of its own commands."""
    arguments = [
        str(p.name).upper() if p.required else f"[{str(p.name).upper()}]"
        for p in command.params
        if isinstance(p, click.Argument)
    ]
    heading = " ".join(["pal", *([name] if name else []), *arguments])
    options = [_option(p) for p in command.params if isinstance(p, click.Option)]
    parts = [f"{'#' * (2 + name.count(' '))} `{heading}`", inspect.cleandoc(str(command.help))]
    parts += [_table(("option", "meaning"), options)] if options else []
    if name and isinstance(command, click.Group):
        for below, found in command.commands.items():
            parts += _command(found, f"{name} {below}")
    return parts


def commands() -> str:
    """Every command with its arguments and options."""
    parts = _command(cli)
    for name, (target, _) in COMMANDS.items():
        parts += _command(load_target(target), name)
    return "\n\n".join(parts)


def kernels() -> str:
    """The kernels of pal-core's own plugin with their options."""
    host = PluginHost.of({"pal": plugin})
    parts = []
    for spec in host.kernels():
        options = options_of(host.load_options(spec))
        parts += [f"### `{spec.name}` ({spec.role.value})", f"{spec.summary}."]
        parts.append(_options(options) if options else "No options.")
    return "\n\n".join(parts)


def message_kinds() -> str:
    """Every message with its fields, in the order in which they stand in the header."""
    rows = []
    for name, kind in messages.KINDS.items():
        fields = ", ".join(f"`{f.name}`" for f in dataclasses.fields(kind))
        rows.append((f"`{name}`", fields, _first_sentence(kind)))
    return _table(("kind", "fields", "meaning"), rows)


def _members(union: object) -> list[type]:
    return sorted(get_args(union), key=lambda c: inspect.getsourcelines(c)[1])


def _vocabulary(events: object, actions: object) -> str:
    def rows(union: object) -> list[tuple[str, ...]]:
        return [(f"`{c.__name__}`", _first_sentence(c)) for c in _members(union)]

    return "\n\n".join([_table(("event", "meaning"), rows(events)), _table(("action", "meaning"), rows(actions))])


def _diagram(text: str) -> str:
    return f"```mermaid\n{text}\n```"


PARTS: dict[str, Callable[[], str]] = {
    "settings": settings,
    "hooks": hooks,
    "records": records,
    "commands": commands,
    "kernels": kernels,
    "messages": message_kinds,
    "exchange-phases": lambda: _diagram(mermaid(exchange.PHASES)),
    "exchange-vocabulary": lambda: _vocabulary(exchange.Event, exchange.Action),
    "manager-phases": lambda: _diagram(mermaid(manager.PHASES)),
    "manager-vocabulary": lambda: _vocabulary(vocabulary.Event, vocabulary.Action),
}


def main() -> None:
    """Update all documents."""
    for path in DOCUMENTS:
        text = path.read_text(encoding="utf-8")
        new = updated(text)
        if new != text:
            path.write_text(new, encoding="utf-8")
            sys.stdout.write(f"{path.relative_to(ROOT)} updated\n")


if __name__ == "__main__":
    main()
