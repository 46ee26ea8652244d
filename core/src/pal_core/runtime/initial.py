"""Labels to start from: of files, and of other runs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from pal_core.data import Batch, Schema
from pal_core.errors import PalError
from pal_core.kernels import Label, Sample
from pal_core.plugins.discover import cause
from pal_core.plugins.host import PluginHost
from pal_core.runtime.host import Setup
from pal_core.runtime.level import level_of
from pal_core.spec import FormatSpec, Reader, load_target
from pal_core.store.store import Store

__all__ = ["InitialDataError", "labels_of_run", "read_initial"]

_AUDITS = ("audit", "initial audit")


class InitialDataError(PalError):
    """A file or run of ``data.initial`` can't be used."""

    exit_code = 2


class _Row(NamedTuple):
    """A labelled sample, and what is to be stored of its past."""

    values: Sample | Label
    origin: str
    score: float | None
    kernel: str
    package: str
    level: str = ""


def read_initial(setup: Setup, store: Store, plugins: PluginHost) -> int:
    """Store the labelled samples of ``data.initial``, once in the life of a run.

    Returns
    -------
    int
        Labels read.

    Raises
    ------
    InitialDataError
        If a file or run can't be read or lacks a column.
    """
    paths = setup.loaded.initial
    if not paths or store.meta("initial") is not None:
        return 0
    formats = [(path, None if path.is_dir() else plugins.reader(path)) for path in paths]
    schema, level = setup.labelled_schema, level_of(setup.loaded)
    read = [(path, _of_file(path, s, schema) if s else _of_run(path, schema, level, store)) for path, s in formats]
    samples, labels = store.schemas
    first = store.next_sample
    for _, rows in read:
        for row in rows:
            sample = {n: row.values[n] for n in samples}
            if row.level and store.twin(sample, row.level) is not None:
                continue  # two runs that have been started from the same labels
            number = store.next_sample
            store.add_sample(number, sample, origin=row.origin, walker=-1, version=0, score=row.score)
            store.add_label(number, {n: row.values[n] for n in labels}, row.kernel, row.package, row.level)
    count = store.next_sample - first
    store.set_meta("initial", str(count))
    store.commit()
    return count


def _of_file(path: Path, spec: FormatSpec, schema: Schema) -> list[_Row]:
    try:
        read: Reader = load_target(str(spec.read))
        batch = read(path, schema)
    except Exception as error:  # of the reader, which a plugin has brought
        raise InitialDataError(f"data.initial: {path} can't be read as {spec.name}: {cause(error)}") from error
    return [_Row(row, "initial", None, path.name, spec.name) for row in batch]


def _of_run(path: Path, schema: Schema, level: str, store: Store) -> list[_Row]:
    try:
        batch, origins, others = labels_of_run(path, schema, level)
    except (PalError, ValueError) as error:
        raise InitialDataError(f"data.initial: the run in {path} can't be used: {error}") from error
    held_out = sum(o["origin"] in _AUDITS for o in origins)
    what = f"{len(batch)} labels of the run in {path}"
    what += f", {held_out} of its audit, which stay held out" if held_out else ""
    what += f"; {others} of another level of theory are left out" if others else ""
    store.note("data.initial", what)
    return list(_rows(batch, origins))


def _rows(batch: Batch, origins: list[dict[str, Any]]) -> Iterator[_Row]:
    for values, o in zip(batch, origins, strict=True):
        origin = "initial audit" if o["origin"] in _AUDITS else "initial"
        score = o["score"] if isinstance(o["score"], float) else None
        yield _Row(values, origin, score, str(o["oracle"]), str(o["package"]), str(o["level"] or ""))


def labels_of_run(path: Path, schema: Schema, level: str) -> tuple[Batch, list[dict[str, Any]], int]:
    """Labels of another run at a level of theory, by number, with their origin, and how many are of other levels.

    Parameters
    ----------
    path : Path
        The run directory.
    schema : Schema
        Columns of samples and labels that are wanted.
    level : str
        Only labels of this level, or of an unknown one; empty: all.

    Raises
    ------
    PalError, SchemaError
        If the run can't be read, or hasn't these columns.
    """
    store = Store(path)
    try:
        numbers = sorted(store.labelled())
        origins = store.origins(numbers)
        fits = [o["level"] in (None, level) or not level for o in origins]
        chosen = [n for n, fit in zip(numbers, fits, strict=True) if fit]
        batch = store.samples(chosen).join(store.labels(chosen)).pick(schema)
    finally:
        store.close()
    return batch, [o for o, fit in zip(origins, fits, strict=True) if fit], len(numbers) - len(chosen)
