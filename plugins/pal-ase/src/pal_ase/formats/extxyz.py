"""Extended XYZ with labels under ``REF_`` keys, in full double precision."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from itertools import islice
from pathlib import Path
from typing import Any

import ase.io
import numpy as np
from ase import Atoms
from ase.data import chemical_symbols
from ase.io.formats import filetype, open_with_compression
from numpy.typing import NDArray
from pal_core.data import Batch, Field, Schema
from pal_core.errors import PalError
from pal_core.kernels import Sample

from pal_ase.codec import atoms_to_batch
from pal_ase.schema import SAMPLE

__all__ = ["format_frame", "format_sample", "read", "read_images", "write"]

STRUCTURES = frozenset((
    "aims", "castep-cell", "cfg", "cif", "cube", "db", "dftb", "espresso-in", "espresso-out", "extxyz", "gaussian-in",
    "gen", "gromacs", "json", "lammps-data", "lammps-dump-text", "mol", "proteindatabank", "res", "sdf", "struct",
    "traj", "turbomole", "v-sim", "vasp", "vasp-out", "vasp-xdatcar", "vasp-xml", "xsf", "xyz",
))  # fmt: skip
"""Formats of structures by ASE's names: those that are text, JSON or arrays, and whose readers start no program, open
no other file and load no code. Among ASE's other readers are addresses of database servers and whole folders."""
_ORIGIN = "pal_"  # prefix of provenance keys, which keeps them apart from what other programs look for


def read_images(path: Path) -> list[Atoms]:
    """Every structure of a file in one of the formats `STRUCTURES`.

    Raises
    ------
    PalError
        If it is in no such format, ASE can't read it, or it holds no structure.
    """
    path = path.absolute()  # ASE takes a relative name like postgres.xyz for the address of a database
    if not path.is_file():
        raise PalError(f"there is no file {path}")
    try:
        kind = filetype(str(path))
        images = _read_as(kind, path)
    except PalError:
        raise
    except Exception as e:  # ASE's readers raise whatever the text made them stumble over
        raise PalError(f"{path} can't be read by ASE ({type(e).__name__}: {e})") from e
    if not images:
        raise PalError(f"{path} holds no structure")
    return list(images)


def _read_as(kind: str, path: Path) -> Any:
    if kind not in STRUCTURES:
        raise PalError(
            f"{path} is a file of ASE's format {kind!r}, which is not read here",
            "make another of it: ase convert FILE NEW.extxyz; what is read: " + ", ".join(sorted(STRUCTURES)),
        )
    if kind in ("extxyz", "xyz"):
        _refuse_missing_lines(path)
    return ase.io.read(path, index=":", format=kind, do_not_split_by_at_sign=True)


def _refuse_missing_lines(path: Path) -> None:
    """ASE would go on to look for every atom that a frame announces, however many, beyond the file's end."""
    with open_with_compression(str(path), "rb") as file:
        while line := file.readline():
            if line.startswith(b"VEC") or not line.strip():
                continue
            if not line.strip().isdigit():
                return  # ASE says what is wrong
            announced = int(line)
            found = max(sum(1 for _ in islice(file, announced + 1)) - 1, 0)
            if found < announced:
                raise PalError(f"{path} can't be read: a frame announces {announced} atoms and has {found}")


def read(path: Path, schema: Schema) -> Batch:
    """Labelled samples of a file.

    Parameters
    ----------
    path : Path
    schema : Schema
        Fields of samples and labels. Labels are ``REF_<field>`` in `info` or as columns; without them the results
        that ASE reads itself (``energy``, ``forces``, ``stress``).

    Raises
    ------
    PalError
        If the file can't be read, or a structure lacks a label; says which.
    """
    try:
        return atoms_to_batch(read_images(path), schema)
    except (KeyError, ValueError) as e:
        raise PalError(f"{path}: {e.args[0]}", f"wanted: {', '.join(map(str, schema.values()))}") from None


def write(path: Path, batch: Batch, origin: Iterable[dict[str, Any]]) -> None:
    """Write a batch: ``REF_`` labels, charge, multiplicity, and provenance as ``pal_<key>``."""
    partial = path.with_name(path.name + ".part")
    with partial.open("w", encoding="utf-8") as file:
        for sample, record in zip(batch, origin, strict=True):
            file.write(format_sample(sample, batch.schema, record))
    partial.replace(path)


def format_sample(sample: Sample, schema: Schema, origin: Mapping[str, Any] | None = None) -> str:
    """One labelled sample as text; all fields that are not in `SAMPLE` are labels."""
    labels = [field for name, field in schema.items() if name not in SAMPLE]
    info = {key: sample[key] for key in ("charge", "multiplicity") if key in sample}
    info |= {f"REF_{f.name}": sample[f.name] for f in labels if not f.ragged}
    info |= {f"{_ORIGIN}{key}": value for key, value in (origin or {}).items() if value is not None}
    return format_frame(sample, info, {f"REF_{f.name}": _table(sample, f) for f in labels if f.ragged})


def _table(sample: Sample, field: Field) -> NDArray[Any]:
    value = np.asarray(sample[field.name])
    return value.reshape(len(value), int(np.prod(field.inner, dtype=int)))


def format_frame(sample: Sample, info: Mapping[str, Any], columns: Mapping[str, NDArray[Any]]) -> str:
    """One frame as text.

    Parameters
    ----------
    sample : mapping
        With numbers and positions, and cell and pbc where there are any.
    info : mapping of str to object
        What goes into the comment line. Arrays are written element by element, other objects as JSON.
    columns : mapping of str to ndarray, shape (atoms, width)
        Further columns.
    """
    tables = {"pos": np.asarray(sample["positions"], np.float64), **columns}
    properties = ":".join(f"{name}:{_KIND[t.dtype.kind]}:{t.shape[1]}" for name, t in tables.items())
    comment = [f"Properties=species:S:1:{properties}", *(f"{k}={_word(v)}" for k, v in info.items())]
    if "cell" in sample and np.any(sample["cell"]):
        comment.insert(0, f"Lattice={_word(np.asarray(sample['cell']))}")
    if "pbc" in sample:
        comment.append(f"pbc={_word(sample['pbc'])}")
    rows = (line for line in zip(*(table.tolist() for table in tables.values()), strict=True))
    symbols = [chemical_symbols[z] for z in sample["numbers"]]
    # repr gives the shortest decimal number that is read back as the same double.
    lines = [" ".join([s, *(repr(x) for part in row for x in part)]) for s, row in zip(symbols, rows, strict=True)]
    return "\n".join([str(len(symbols)), " ".join(comment), *lines, ""])


_KIND = {"f": "R", "i": "I", "u": "I", "b": "L"}


def _word(value: Any) -> str:
    """A value of the comment line."""
    if isinstance(value, (bool, np.bool_)):
        return "T" if value else "F"
    if isinstance(value, (int, float, np.number)):
        return repr(value.item() if isinstance(value, np.number) else value)
    if isinstance(value, np.ndarray):
        words = [_word(x) for x in value.ravel()]
        return words[0] if value.ndim == 0 else f'"{" ".join(words)}"'
    text = value if isinstance(value, str) else json.dumps(value, default=str)
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ") + '"'
