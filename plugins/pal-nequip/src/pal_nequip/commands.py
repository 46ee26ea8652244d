"""``pal nequip``. Light: torch and the libraries are imported when a command runs."""

from __future__ import annotations

from pathlib import Path

import click

__all__ = ["nequip"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_TRUST = (
    "{0} is a pickle: reading it runs whatever code is in it. If you know where it comes from and trust that, "
    "repeat the command with --trust."
)


@click.group()
def nequip() -> None:
    """Model files of NequIP and Allegro."""


@nequip.command()
@click.argument("source", type=_FILE)
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--trust", is_flag=True, help="I trust SOURCE: run the code that it may hold.")
def convert(source: Path, target: Path, trust: bool) -> None:
    """Make a model file for option `model` from SOURCE, a checkpoint (.ckpt) or package (.nequip.zip) of NequIP.

    Energies and forces of both are compared before TARGET is written.
    """
    if not trust:
        raise click.ClickException(_TRUST.format(source))
    from pal_nequip.convert import convert as make
    from pal_nequip.convert import load_pickle
    from pal_nequip.modelfile import write

    try:
        file = make(load_pickle(source))
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    write(target, file)
    known = int(file.weights["known"].sum())
    click.echo(
        f"{target}: for nequip.{file.kind}, {known} elements, cutoff {file.options['cutoff']:g} Å, as {source} predicts"
    )
