"""Labelled sets, made by a settings file's own oracle outside of any run, and kept."""

from __future__ import annotations

import multiprocessing
import tempfile
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from ase import Atoms

from pal_ase.codec import atoms_to_sample
from pal_ase.formats.extxyz import format_sample, read_images
from pal_core.kernels import Context, Label, Oracle, OracleFailure
from pal_core.plugins.host import PluginHost
from pal_core.reading import parse_toml
from pal_core.settings.load import Loaded, from_dict

__all__ = ["labelled_set", "without_data"]


def without_data(settings: Path) -> Loaded:
    """A settings file whose initial data need not be there yet."""
    tables = parse_toml(settings.read_text(encoding="utf-8"))
    del tables["data"]["initial"]
    return from_dict(tables, settings.parent, PluginHost.discover())


def labelled_set(path: Path, geometries: list[Atoms], settings: Path) -> None:
    """Label geometries and write them, unless the file is there already.

    What the oracle can't label is left out, and said.
    """
    loaded = without_data(settings)
    oracle = _oracle_name(loaded)
    if path.exists():
        if read_images(path)[0].info["oracle"] != oracle:
            raise SystemExit(f"{path} holds labels of another oracle; remove it, and they are made anew")
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        for atoms, label in zip(geometries, _labels(loaded, settings, geometries), strict=True):
            who = f"  {atoms.symbols}, charge {atoms.info['charge']:+d}"
            if isinstance(label, str):
                print(f"{who}, is left out: {label}", flush=True)
                continue
            print(who, flush=True)
            sample = {**atoms_to_sample(atoms), **label}
            file.write(format_sample(sample, loaded.label_schema, {"oracle": oracle}))
            file.flush()
    partial.replace(path)


def _labels(loaded: Loaded, settings: Path, geometries: list[Atoms]) -> Iterator[Label | str]:
    """Labels, or why there is none; as many at a time as a run would have oracles."""
    workers = max(loaded.settings.oracle.processes or 1, 1)
    print(f"{len(geometries)} labels by {_oracle_name(loaded)}, {workers} at a time", flush=True)
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, spawn, _begin, (settings,)) as pool:
        yield from pool.map(_one, [atoms_to_sample(atoms) for atoms in geometries])


_ORACLE: list[Oracle] = []
"""The one of this process, which a pool keeps for all that it is given."""


def _begin(settings: Path) -> None:
    loaded = without_data(settings)
    scratch = Path(tempfile.mkdtemp(prefix="clusters-"))
    _ORACLE.append(loaded.oracle.load()(loaded.oracle.options, Context("oracle", directory=scratch)))


def _one(sample: dict) -> Label | str:
    try:
        return _ORACLE[0].label(sample)
    except OracleFailure as e:
        return str(e)


def _oracle_name(loaded: Loaded) -> str:
    """Kernel and what it computes."""
    kernel = loaded.oracle
    level = getattr(kernel.options, "level_of_theory", None)
    return f"{kernel.spec.name}: {level()}" if level else str(kernel.spec.name)
