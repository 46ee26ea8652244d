"""``pal nequip``. Light: torch and the libraries are imported when a command runs."""

from __future__ import annotations

from pathlib import Path

import click

from pal_ase.trust import require_trust, trust_option

__all__ = ["nequip"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def nequip() -> None:
    """Model files of NequIP and Allegro."""


@nequip.command()
@click.argument("source", type=_FILE)
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@trust_option
def convert(source: Path, target: Path, trust: bool) -> None:
    """Make a model file for option `model` from SOURCE, a checkpoint (.ckpt) or package (.nequip.zip) of NequIP.

    Energies and forces of both are compared before TARGET is written.
    """
    require_trust(source, trust)
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
