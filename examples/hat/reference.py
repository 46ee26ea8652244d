"""The oracle's own barriers, computed once for each oracle and kept."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from pathlib import Path

import ase.io
from barriers import Barrier
from reactions import Reaction
from spread import oracle_barriers

from pal_core.settings.load import Loaded

__all__ = ["reference"]


def reference(settings: Path, loaded: Loaded, reactions: Sequence[Reaction], folder: Path) -> list[Barrier]:
    """Barriers on the oracle of a settings file; from `folder` if they are there.

    The files' name holds a digest of oracle, options and starting geometries: others give other files.
    """
    stems = [folder / "reference" / f"{_slug(r.name)}-{_digest(loaded, r)}" for r in reactions]
    todo = [k for k, stem in enumerate(stems) if not stem.with_suffix(".json").exists()]
    for k, found in zip(todo, oracle_barriers(settings, [reactions[k] for k in todo]), strict=True):
        _write(stems[k], found, loaded)
    return [_read(stem) for stem in stems]


def _write(stem: Path, result: Barrier, loaded: Loaded) -> None:
    stem.parent.mkdir(parents=True, exist_ok=True)
    ase.io.write(stem.with_suffix(".extxyz"), [result.state, *result.minima])
    # The record last: it says that all is there.
    stem.with_suffix(".json").write_text(json.dumps({"oracle": _oracle(loaded)} | result.record(), indent=1))


def _read(stem: Path) -> Barrier:
    record = json.loads(stem.with_suffix(".json").read_text())
    state, *minima = ase.io.read(stem.with_suffix(".extxyz"), index=":")
    fields = {name: value for name, value in record.items() if name not in {"oracle", "sound"}}
    return Barrier(**fields, state=state, minima=tuple(minima))


def _digest(loaded: Loaded, reaction: Reaction) -> str:
    parts = [_oracle(loaded), str(reaction.springs)]
    frames = [reaction.guess, *reaction.reactants, *reaction.products]
    parts += [f"{atoms.symbols} {atoms.positions.round(4).tolist()}" for atoms in frames]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:10]


def _oracle(loaded: Loaded) -> str:
    """Kernel and options."""
    kernel = loaded.oracle
    return "" if kernel is None else f"{kernel.spec.name} {kernel.options.model_dump_json()}"


def _slug(name: str) -> str:
    return "-".join("".join(c if c.isalnum() else " " for c in name).split())
