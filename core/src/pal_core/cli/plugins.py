"""`pal plugins`."""

from __future__ import annotations

import click

import pal_core
from pal_core.cli import exit_codes
from pal_core.cli.common import columns, host_of, print_json
from pal_core.cli.saying import say
from pal_core.plugins.host import PluginHost

__all__ = ["plugins"]


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_context
def plugins(context: click.Context, as_json: bool) -> None:
    """List the installed plugins.

    A plugin that can't be used is listed with the reason. Only light modules are imported.
    """
    host = host_of(context)
    if as_json:
        print_json(_as_json(host))
    else:
        say(_table(host))
        for clash in host.clashes:
            say(f"error: {clash}", err=True)
    context.exit(exit_codes.USAGE if host.clashes else exit_codes.DONE)


def _as_json(host: PluginHost) -> dict[str, object]:
    return {
        "pal_core": pal_core.__version__,
        "plugins": [
            {
                "name": p.name,
                "distribution": p.distribution,
                "version": p.version,
                "module": p.module,
                "requires_pal_core": p.requires,
                "kernels": host.kernels_of(p),
                "error": p.error,
            }
            for p in host.plugins
        ],
        "clashes": list(host.clashes),
    }


def _table(host: PluginHost) -> str:
    rows = [("PLUGIN", "PACKAGE", "VERSION", "PAL-CORE", "KERNELS")]
    for p in host.plugins:
        last = f"broken: {p.error}" if p.error else ", ".join(k.partition(".")[2] for k in host.kernels_of(p)) or "-"
        rows.append((p.name, p.distribution, p.version, p.requires or "-", last))
    return columns(rows)
