"""``pal export``."""

from __future__ import annotations

from pathlib import Path

import click

from pal_core.cli.common import host_of
from pal_core.cli.saying import say
from pal_core.cli.where import run_directory
from pal_core.errors import PalError
from pal_core.spec import FormatSpec, Writer, load_target
from pal_core.store.store import Store

__all__ = ["export"]


@click.command(short_help="Write a run's labelled samples to a file.")
@click.argument("run", type=click.Path(exists=True, path_type=Path))
@click.option("--format", "name", help="Format by name; default: by the file's ending.")
@click.option(
    "--output", "-o", type=click.Path(path_type=Path), help="File to write; default: labels.<ending> in the run."
)
@click.option(
    "--class",
    "classes",
    multiple=True,
    metavar="NAME",
    help="Only samples of this class (initial, bootstrap, active, audit, ...), or of several. Default: all.",
)
@click.option("--force", is_flag=True, help="Overwrite the file.")
@click.pass_context
def export(  # noqa: PLR0917 - options of a command
    context: click.Context, run: Path, name: str | None, output: Path | None, classes: tuple[str, ...], force: bool
) -> None:
    """Write all admitted labels of RUN (a settings file or a run directory), with their samples and origin.

    The origin says of which class a sample is: labels of an audit should not be trained on by others either.
    """
    directory = run_directory(run)
    spec = _format(context, name, output)
    output = output or directory / f"labels{spec.suffixes[0]}"
    if output.exists() and not force:
        raise PalError(f"{output} exists", "name another with --output, or overwrite it with --force")
    store = Store(directory)
    try:
        numbers = store.labelled()
        origins = store.origins(numbers)
        if classes:
            origins = [o for o in origins if o["origin"] in classes]
            numbers = [o["sample"] for o in origins]
        batch = store.samples(numbers).join(store.labels(numbers))
    finally:
        store.close()
    if not numbers:
        what = f"labels of class {', '.join(classes)}" if classes else "labels yet"
        raise PalError(f"{directory} holds no {what}", f"see how the run is doing: pal status {run}")
    try:
        write: Writer = load_target(str(spec.write))
        write(output, batch, origins)
    except KeyError as error:
        has = ", ".join(batch.schema)
        raise PalError(f"{spec.name} needs the field {error}, this run has {has}", "use --format npz") from error
    except (OSError, ValueError) as error:
        raise PalError(f"{output} can't be written as {spec.name}: {error}") from error
    say(f"{len(numbers)} labelled samples in {output}")


def _format(context: click.Context, name: str | None, output: Path | None) -> FormatSpec:
    writers = [f for f in host_of(context).formats() if f.write]
    known = ", ".join(f.name for f in writers)
    if name is None:
        if output is None:
            raise PalError("which format?", f"name one with --format: {known}")
        fits = [f for f in writers if output.name.endswith(f.suffixes)]
        if not fits:
            raise PalError(f"no format writes {output.name}", f"name one with --format: {known}")
        return fits[0]
    spec = host_of(context).find_format(name)
    if spec.write is None:
        raise PalError(f"format {name!r} can only be read", f"formats that write: {known}")
    return spec
