"""``pal reference``. Light: ASE and the oracle are imported when the command runs."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["parse_option", "reference"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_POSITIVE = click.IntRange(min=1)


def parse_option(text: str) -> tuple[str, Any]:
    """``key=value`` with a TOML value; what is not TOML is taken as a string.

    Raises
    ------
    click.BadParameter
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise click.BadParameter(f"found {text!r}, expected key=value")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value.strip()


def _options(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    return dict(parse_option(v) for v in values)


@click.command("reference")
@click.option("--oracle", required=True, help='Oracle kernel, e.g. "xtb.gfn2".')
@click.option("-O", "--option", "options", multiple=True, callback=_options, metavar="KEY=VALUE", help="Its options.")
@click.option("--structure", required=True, type=_FILE, help="Start structure; of several frames the first.")
@click.option("--temperature", default=300.0, show_default=True, type=click.FloatRange(min=0, min_open=True), help="K.")
@click.option("--timestep", default=0.5, show_default=True, type=click.FloatRange(min=0, min_open=True), help="fs.")
@click.option("--friction", default=0.01, show_default=True, type=click.FloatRange(min=0, min_open=True), help="1/fs.")
@click.option("--frames", default=200, show_default=True, type=_POSITIVE, help="Labelled frames to write.")
@click.option("--interval", default=10, show_default=True, type=_POSITIVE, help="Steps between two frames.")
@click.option(
    "--equilibrate", default=500, show_default=True, type=click.IntRange(min=0), help="Steps before the first."
)
@click.option("--charge", type=int, help="Total charge in e; default: the file's, or 0.")
@click.option("--multiplicity", type=_POSITIVE, help="2S + 1; default: the file's, or the lowest.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(min=0), help="Seed of the dynamics.")
@click.option("-o", "--output", required=True, type=click.Path(dir_okay=False, path_type=Path), help="extxyz to write.")
def reference(output: Path, **settings: Any) -> None:
    """Make an independent, labelled test set: Langevin dynamics directly on an oracle.

    The frames are written to OUTPUT as they come and the file is complete when it has its final name.

    \b
    pal reference --oracle xtb.gfn2 --structure ethanol.xyz --temperature 500 -o test.extxyz
    """  # noqa: D301 - \b is click's mark for text that must not be re-wrapped
    from pal_core.errors import PalError

    from pal_ase.reference import Plan, make_reference

    plan = Plan(**settings)
    try:
        with click.progressbar(
            length=plan.steps, label=f"{plan.oracle} at {plan.temperature:g} K", file=sys.stderr
        ) as bar:
            summary = make_reference(plan, output, bar.update)
    except PalError as e:
        raise click.ClickException(str(e)) from e
    click.echo(summary)
