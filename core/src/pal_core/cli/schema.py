"""`pal schema`."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pal_core.cli.common import host_of, warn_of_plugins
from pal_core.cli.saying import say

__all__ = ["schema"]


@click.command()
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.")
@click.pass_context
def schema(context: click.Context, output: Path | None) -> None:
    """Write the JSON schema of settings files with the options of all installed kernels.

    An editor with a TOML language server (taplo, Even Better TOML) completes and checks settings that begin with the
    line "#:schema pal.schema.json". Write it again when plugins have changed.
    """
    from pal_core.settings.json_schema import settings_schema

    host = host_of(context)
    text = json.dumps(settings_schema(host), indent=2, ensure_ascii=False)
    warn_of_plugins(host)
    if output is None:
        say(text)
    else:
        output.write_text(text + "\n", encoding="utf-8")
        say(f'{output} written; begin settings files with the line "#:schema {output}"', err=True)
