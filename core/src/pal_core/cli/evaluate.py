"""``pal evaluate``."""

from __future__ import annotations

import json
from pathlib import Path

import click

from pal_core.cli.common import columns, host_of, print_json
from pal_core.cli.saying import say
from pal_core.data import Batch, Schema
from pal_core.errors import PalError
from pal_core.plugins.discover import cause
from pal_core.spec import FormatSpec, Reader, load_target

__all__ = ["evaluate"]


@click.command(short_help="Measure a run's models on labelled samples.")
@click.argument("settings", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.argument("data", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--rounds", default="all", help='"all" on disk, "ends" for the first and the last, or numbers: "1,5".')
@click.option("--output", "-o", type=click.Path(path_type=Path), help="Also write the result to this file as JSON.")
@click.option("--json", "as_json", is_flag=True, help="Print the result as JSON.")
@click.pass_context
def evaluate(  # noqa: PLR0917 - click passes by name
    context: click.Context, settings: Path, data: Path, rounds: str, output: Path | None, as_json: bool
) -> None:
    """Errors of the committee of SETTINGS' run on the labelled samples in DATA, after each training round."""
    from pal_core.api import open_run
    from pal_core.evaluation import evaluate as measure

    result = open_run(settings, host_of(context))
    schema = result.loaded.sample_schema | result.loaded.prediction_schema
    labelled = _read(data, host_of(context).reader(data), schema)
    found = measure(result, labelled, _chosen(rounds, result.stored_rounds()))
    if output is not None:
        output.write_text(json.dumps(found, indent=1), encoding="utf-8")
    if as_json:
        print_json(found)
        return
    rows = [("round", "labels", "field", "MAE", "RMSE", "largest", "committee std", "unit")]
    for record in found:
        for field, e in record["errors"].items():
            numbers = [f"{e[k]:.4g}" for k in ("mae", "rmse", "worst", "std")]
            unit = result.loaded.prediction_schema[field].unit or "-"
            rows.append((str(record["round"]), str(record["labels"]), field, *numbers, unit))
    say(columns(rows))
    say(f"{len(labelled)} samples of {data}")


def _read(path: Path, spec: FormatSpec, schema: Schema) -> Batch:
    try:
        read: Reader = load_target(str(spec.read))
        batch = read(path, schema)
    except Exception as error:  # of the reader, which a plugin has brought
        raise PalError(f"{path} can't be read as {spec.name}: {cause(error)}") from error
    if not len(batch):
        raise PalError(f"{path} holds no samples")
    return batch


def _chosen(text: str, stored: list[int]) -> list[int]:
    if text == "all":
        return stored
    if text == "ends":
        return sorted({stored[0], stored[-1]}) if stored else []
    try:
        wanted = [int(t) for t in text.split(",")]
    except ValueError:
        raise click.BadParameter(f"{text!r} is neither 'all', 'ends' nor a list of numbers") from None
    missing = sorted(set(wanted) - set(stored))
    if missing:
        raise PalError(f"no weights of rounds {missing} on disk", f"there are {stored}")
    return wanted
