"""`pal init`."""

from __future__ import annotations

from pathlib import Path

import click

from pal_core.cli.common import host_of
from pal_core.cli.saying import say
from pal_core.errors import PalError, SettingsError
from pal_core.settings.load import load

__all__ = ["init"]


@click.command()
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path), default=Path("pal.toml"))
@click.option("--generator", metavar="KERNEL", help="Kernel of the walkers.")
@click.option("--model", metavar="KERNEL", help="Kernel of the committee.")
@click.option("--oracle", metavar="KERNEL", help="Kernel that labels.")
@click.option("--force", is_flag=True, help="Overwrite FILE.")
@click.pass_context
def init(context: click.Context, /, file: Path, force: bool, **wanted: str | None) -> None:
    """Write a commented settings FILE (default pal.toml) for installed kernels.

    Kernels that are not given are chosen to fit the others: atomistic ones if enough of them are installed, toys
    otherwise. Every key is there with its default, unit and meaning.
    """
    from pal_core.cli.init_kernels import checks_for, choose
    from pal_core.cli.init_text import settings_text

    if file.exists() and not force:
        raise CannotWrite(f"{file} exists already", "choose another name, or overwrite it with --force")
    if not file.parent.is_dir():
        raise CannotWrite(f"there is no folder {file.parent}", "make it first")
    host = host_of(context)
    chosen = choose(host, wanted, file.resolve().parent)
    file.write_text(settings_text(host, chosen, checks_for(host, chosen)), encoding="utf-8")
    say(f"{file} written: {', '.join(spec.name for spec in chosen.values())}")
    try:
        load(file, host)
    except SettingsError as e:
        say("before it can run, supply or choose:")
        for problem in e.problems:
            say(f"  {e.located(problem)}")
    else:
        say(f"next: pal check {file}; pal run {file}")


class CannotWrite(PalError):
    """The file can't be written there."""

    exit_code = 2
