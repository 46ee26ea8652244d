"""What a plugin says about its kernels and file formats, without importing them."""

from __future__ import annotations

import importlib
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from pal_core.data import Batch, Schema

__all__ = ["FormatSpec", "KernelSpec", "Reader", "Role", "Writer", "load_target"]


class Role(str, Enum):
    """Place of a kernel in the workflow."""

    GENERATOR = "generator"
    MODEL = "model"
    ORACLE = "oracle"
    SELECTION = "selection"
    CHECK = "check"


@dataclass(frozen=True)
class KernelSpec:
    """A kernel by name, with import paths that are followed only on ranks that run it.

    Parameters
    ----------
    name : str
        ``"<plugin>.<kernel>"``, for example ``"xtb.gfn2"``.
    role : Role
    target : str
        ``"module:Class"`` of the kernel. The module may import torch or ASE.
    options : str
        ``"module:Class"`` of its `pal_core.options.KernelOptions`. The module must be light.
    summary : str
        One line for the listing.
    capabilities : frozenset of str
        Optional abilities: ``"bootstrap"`` (generator proposes without a model), ``"snapshot"`` (exact restart),
        ``"use"`` (model trains on a part of its samples).
    """

    name: str
    role: Role
    target: str
    options: str
    summary: str = ""
    capabilities: frozenset[str] = frozenset()


class Reader(Protocol):
    """Reads labelled samples from a file."""

    def __call__(self, path: Path, schema: Schema) -> Batch:
        """Read every sample of `path` with the columns of `schema`."""


class Writer(Protocol):
    """Writes labelled samples to a file; `origin` has one record of provenance per sample."""

    def __call__(self, path: Path, batch: Batch, origin: Iterable[dict[str, Any]]) -> None:
        """Write `batch` to `path`."""


@dataclass(frozen=True)
class FormatSpec:
    """A file format for initial data and exports.

    Parameters
    ----------
    name : str
        Name for ``pal export --format``.
    suffixes : tuple of str
        File endings that this format reads, with dot.
    read, write : str or None
        ``"module:function"`` with the signatures of `Reader` and `Writer`.
    summary : str
    """

    name: str
    suffixes: tuple[str, ...]
    read: str | None = None
    write: str | None = None
    summary: str = ""


def load_target(target: str) -> Any:
    """Import ``"module:attribute"``."""
    module, _, attribute = target.partition(":")
    found: Any = importlib.import_module(module)
    for part in attribute.split("."):
        found = getattr(found, part)
    return found
