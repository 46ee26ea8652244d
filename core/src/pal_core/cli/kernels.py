"""`pal kernels`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from pal_core.cli import exit_codes
from pal_core.cli.common import columns, host_of, print_json, warn_of_plugins
from pal_core.cli.saying import say
from pal_core.plugins.host import PluginHost
from pal_core.spec import KernelSpec, Role

if TYPE_CHECKING:
    from pal_core.data import Schema

__all__ = ["kernels"]

_READS = {
    Role.GENERATOR: ("reads predictions", "gives samples"),
    Role.MODEL: ("reads samples", "predicts"),
    Role.ORACLE: ("reads samples", "gives labels"),
    Role.SELECTION: ("reads predictions", "gives"),
    Role.CHECK: ("reads samples", "gives"),
}


@click.command()
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def kernels(context: click.Context, name: str | None, as_json: bool) -> None:
    """List the kernels of all plugins, or describe the kernel NAME with its options.

    NAME may also be "file.py:Class" or "module:Class".
    """
    host = host_of(context)
    if name:
        spec = host.find_kernel(name, base=Path.cwd())
        found = _described(host, spec)
        print_json(found) if as_json else say(_page(found))
        return
    if as_json:
        broken = {p.name: p.error for p in host.plugins if p.error}
        print_json({"kernels": [_listed(host, k) for k in host.kernels()], "broken": broken, "clashes": host.clashes})
    else:
        say(_table(host))
        warn_of_plugins(host)
    context.exit(exit_codes.USAGE if host.clashes else exit_codes.DONE)


def _listed(host: PluginHost, spec: KernelSpec) -> dict[str, Any]:
    distribution, version = host.provenance(spec)
    return {
        "name": spec.name,
        "role": spec.role.value,
        "summary": spec.summary,
        "distribution": distribution,
        "version": version,
        "capabilities": sorted(spec.capabilities),
        "target": spec.target,
        "options_target": spec.options,
    }


def _described(host: PluginHost, spec: KernelSpec) -> dict[str, Any]:
    # Imported here: the listing without NAME needs no pydantic, which takes a tenth of a second.
    from pal_core.cli.describe import interface_of, options_of

    model = host.load_options(spec)
    interface = interface_of(model)
    fields = {"consumes": None, "produces": None, "learns": None}
    if interface is not None:
        learns = interface.labels if spec.role in (Role.MODEL, Role.CHECK) else None
        found = {"consumes": interface.consumes, "produces": interface.produces, "learns": learns}
        fields = {key: None if schema is None else _columns(schema) for key, schema in found.items()}
    return {**_listed(host, spec), **fields, "options": [o.to_json() for o in options_of(model)]}


def _columns(schema: Schema) -> Any:
    return [
        {"name": f.name, "dtype": f.dtype, "shape": list(f.shape), "unit": f.unit, "description": f.doc}
        for f in schema.values()
    ]


def _table(host: PluginHost) -> str:
    rows: list[tuple[str, ...]] = []
    for role in Role:
        found = host.kernels(role)
        if found:
            rows += [("",), (role.value.upper(),)]
        rows += [(f"  {k.name}", " ".join(host.provenance(k)), k.summary) for k in found]
    return columns(rows[1:]) if rows else "no kernels: `pal plugins` shows what is installed"


def _page(found: dict[str, Any]) -> str:
    role = Role(found["role"])
    package = f"{found['distribution']} {found['version']}".strip()
    lines = [f"{found['name']}  {role.value} of {package}", f"  {found['summary']}"]
    if found["capabilities"]:
        lines.append(f"  can: {', '.join(found['capabilities'])}")
    titles = {"consumes": _READS[role][0], "produces": _READS[role][1], "learns": "learns labels"}
    titles["learns"] = "reads labels" if role is Role.CHECK else titles["learns"]
    if found["consumes"] is None:
        lines += ["", "fields depend on its options"]
    for key, title in titles.items():
        if found[key] and not (key == "learns" and found[key] == found["produces"]):
            lines += ["", title, columns([_field_row(f) for f in found[key]], "  ")]
    return "\n".join([*lines, "", _options(found["options"])])


def _field_row(field: dict[str, Any]) -> tuple[str, ...]:
    shape = f"({', '.join(map(str, field['shape']))})"
    return field["name"], f"{field['dtype']} {shape}", field["unit"] or "-", field["description"]


def _options(options: list[dict[str, Any]]) -> str:
    from pal_core.cli.toml_text import toml_value

    if not options:
        return "no options"
    rows = [("NAME", "DEFAULT", "UNIT", "TYPE", "DESCRIPTION")]
    for o in options:
        default = "(required)" if o["required"] else "-" if o["default"] is None else toml_value(o["default"])
        rows.append((o["name"], default, o["unit"] or "-", o["type"], o["description"]))
    return "options\n" + columns(rows, "  ")
