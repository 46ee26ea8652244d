"""The text of a new settings file."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pal_core.cli.describe import Option, interface_of, options_of
from pal_core.cli.toml_text import toml_key, toml_value
from pal_core.plugins.host import PluginHost
from pal_core.settings.tables import TABLES
from pal_core.spec import KernelSpec

__all__ = ["settings_text"]

_HEAD = """\
# Settings of PAL. Keys behind a "#" stand at their defaults; take the "#" away to change one.
# `pal check` lists everything that is wrong with this file; `pal kernels NAME` describes a kernel.
"""

# What a newcomer looks for first stands without "#".
_SHOWN: Mapping[str, Mapping[str, Any]] = {
    "run": {"directory": "run", "seed": 0},
    "generator": {"walkers": 8},
    "model": {"members": 4},
    "training": {"retrain_after": 20},
    "stop": {"labels": 500},
}
_HEADINGS = {
    "run": "How and where the run goes.",
    "generator": "The walkers: they propose samples.",
    "model": "The committee: it predicts, and is trained.",
    "training": "When and where members are trained.",
    "oracle": "The oracle: it labels what is uncertain.",
    "selection": "What is uncertain enough to be labelled.",
    "check": "Checks that every label passes before training; repeat the table for more.",
    "data": "Labels to start from.",
    "stop": "When the run ends: whichever comes first.",
    "placement": "Where ranks go on several nodes; first match counts.",
}


def settings_text(host: PluginHost, chosen: Mapping[str, KernelSpec], checks: Sequence[KernelSpec]) -> str:
    """A settings file for three kernels and label checks, with every key, its default, unit and meaning.

    Parameters
    ----------
    host : PluginHost
    chosen : mapping of str to KernelSpec
        Kernels of the tables ``generator``, ``model`` and ``oracle``.
    checks : sequence of KernelSpec
        Kernels of the tables ``check``.
    """
    specs = {**chosen, "selection": host.find_kernel("pal.threshold")}
    given = {"selection": _threshold(host, chosen["model"])}
    parts = [_HEAD]
    for name, kind in TABLES.items():
        if name == "placement":
            parts.append(_commented_array(name, kind))
            continue
        if name == "check":
            parts.append(_check_tables(host, checks))
            continue
        lines = [f"# {_HEADINGS[name]}", f"[{name}]"]
        if name in specs:
            lines.append(_kernel_line(host, specs[name]))
        lines += _lines((o for o in options_of(kind) if o.name not in ("kernel", "options")), _SHOWN.get(name, {}))
        if name in specs:
            options = options_of(host.load_options(specs[name]))
            lines += ["", f"[{name}.options]", *_lines(options, given.get(name, {}))] if options else []
        parts.append("\n".join(lines) + "\n")
    return "\n".join(parts)


def _kernel_line(host: PluginHost, spec: KernelSpec) -> str:
    package = " ".join(host.provenance(spec)).strip()
    return _line(f"kernel = {toml_value(spec.name)}", f"{spec.summary} ({package})")


def _lines(options: Iterable[Option], shown: Mapping[str, Any], commented: bool = False) -> list[str]:
    lines = []
    for o in options:
        value = shown.get(o.name, o.example)
        meaning = o.description + (f" [{o.unit}]" if o.unit else "")
        if o.required and o.name not in shown:
            meaning = f"REQUIRED: {meaning}"
        elif o.default is None and o.name not in shown:
            meaning = f"(not set) {meaning}"
        mark = "# " if commented or not (o.required or o.name in shown) else ""
        lines.append(_line(f"{mark}{toml_key(o.name)} = {toml_value(value)}", meaning))
    return lines


def _line(text: str, comment: str) -> str:
    return f"{text:<33} # {comment}".rstrip(" #")


def _commented_array(name: str, kind: type[BaseModel]) -> str:
    """An array of tables that is empty by default."""
    keys = [o for o in options_of(kind) if o.name != "options"]
    return "\n".join([f"# {_HEADINGS[name]}", f"# [[{name}]]", *_lines(keys, {}, commented=True)]) + "\n"


def _check_tables(host: PluginHost, checks: Sequence[KernelSpec]) -> str:
    """A table for every check."""
    lines = [f"# {_HEADINGS['check']}"]
    for spec in checks:
        options = options_of(host.load_options(spec))
        lines += ["[[check]]", _kernel_line(host, spec)]
        lines += ["", "[check.options]", *_lines(options, {})] if options else []
        lines.append("")
    return "\n".join(lines)


def _threshold(host: PluginHost, model: KernelSpec) -> dict[str, Any]:
    """A field to judge by: forces where they are predicted, otherwise what is predicted first."""
    interface = interface_of(host.load_options(model))
    fields = list(interface.produces) if interface else []
    if "forces" in fields:
        return {"field": "forces", "upper": 0.15}
    return {"field": fields[0] if fields else "energy", "upper": 1.0}
