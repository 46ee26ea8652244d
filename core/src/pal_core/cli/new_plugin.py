"""`pal new-plugin`."""

from __future__ import annotations

import shlex
from pathlib import Path

import click

from pal_core.cli.saying import say
from pal_core.spec import Role

__all__ = ["new_plugin"]


@click.command("new-plugin")
@click.argument("name")
@click.option(
    "--role", type=click.Choice([r.value for r in Role]), required=True, help="What the kernel does in a run."
)
@click.option(
    "--directory",
    type=click.Path(file_okay=False, path_type=Path),
    default=Path(),
    help="Folder in which the package's own folder is made; by default the current one.",
)
@click.option("--kernel", help="The kernel's name after the dot; by default the role.")
def new_plugin(name: str, role: str, directory: Path, kernel: str | None) -> None:
    """Write the package NAME ("pal-orca") with a small kernel that works, for you to replace.

    The package installs, is found by `pal`, and passes its contract tests, inside PAL's repository and elsewhere.
    """
    from pal_core.scaffold.make import make
    from pal_core.scaffold.names import Names

    names = Names(name, Role(role), role if kernel is None else kernel)
    folder = make(names, directory)
    say(f"{folder} written. It works as it stands; try it:\n")
    for command in (
        f"cd {shlex.quote(str(folder))}",
        'pip install -e ".[test]"',
        "pytest",
        f"pal kernels {names.full_kernel}",
        "pal check example.toml",
        "pal run example.toml",
    ):
        say(f"    {command}")
    say(f"\nThen replace the example in {folder / 'src' / names.package}.")
