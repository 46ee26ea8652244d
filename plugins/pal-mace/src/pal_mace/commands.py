"""``pal mace``. Light: torch and mace are imported when a command runs."""

from __future__ import annotations

from pathlib import Path

import click

from pal_ase.trust import require_trust, trust_option

__all__ = ["mace"]

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def mace() -> None:
    """Model files of MACE."""


@mace.command()
@click.argument("source", type=_FILE)
@click.argument("target", type=click.Path(dir_okay=False, path_type=Path))
@trust_option
@click.option("--head", help="Which head of a model with several to keep.")
@click.option("--elements", default="", help="Keep these elements only, such as H,C,N,O.")
def convert(source: Path, target: Path, trust: bool, head: str | None, elements: str) -> None:
    """Make a model file for option `model` of mace.committee from SOURCE, a model that MACE has saved.

    Energies and forces of both are compared before TARGET is written.
    """
    require_trust(source, trust)
    from pal_mace.convert import convert as make
    from pal_mace.convert import suitable
    from pal_mace.modelfile import write
    from pal_mace.pickled import load_pickle

    try:
        file = make(
            suitable(load_pickle(source), str(source)), head, [e.strip() for e in elements.split(",") if e.strip()]
        )
    except ValueError as error:
        raise click.ClickException(str(error)) from error
    write(target, file.architecture, file.tensors)
    a = file.architecture
    click.echo(f"{target}: {len(a.elements)} elements, {a.hidden}, cutoff {a.cutoff:g} Å, as {source} predicts")
