"""Settings without problems, and their kernels."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from pal_core.data import Schema
from pal_core.errors import Problem
from pal_core.settings.kernels import ResolvedKernel, validate
from pal_core.settings.model import Settings

__all__ = ["Loaded"]


@dataclass(frozen=True)
class Loaded:
    """Settings without problems, and the kernels that they name.

    Parameters
    ----------
    settings : Settings
        Paths in it are as written; see `directory` and `initial`.
    path : Path or None
        The file, if there is one.
    base : Path
        Folder that relative paths start from, absolute.
    text : str
        The file's text; JSON for settings from a dict.
    generator, model, oracle, selection : ResolvedKernel
        `oracle` is None without an ``[oracle]`` table.
    checks : tuple of ResolvedKernel
    warnings : tuple of Problem
    """

    settings: Settings
    path: Path | None
    base: Path
    text: str
    generator: ResolvedKernel
    model: ResolvedKernel
    oracle: ResolvedKernel | None
    selection: ResolvedKernel
    checks: tuple[ResolvedKernel, ...] = ()
    warnings: tuple[Problem, ...] = ()

    @property
    def directory(self) -> Path:
        """The run directory, absolute."""
        return self.base / self.settings.run.directory.expanduser()

    @property
    def initial(self) -> tuple[Path, ...]:
        """Files with labelled samples, and directories of runs, absolute."""
        return tuple(self.base / p.expanduser() for p in self.settings.data.initial)

    @property
    def start(self) -> Path | None:
        """Weights to begin with, absolute."""
        given = self.settings.model.start
        return None if given is None else self.base / given.expanduser()

    @property
    def sample_schema(self) -> Schema:
        """Fields of a sample."""
        return self.generator.interface.produces

    @property
    def prediction_schema(self) -> Schema:
        """Fields that a member predicts."""
        return self.model.interface.produces

    @property
    def label_schema(self) -> Schema | None:
        """Fields of a label; without an oracle those that training reads from files; None without either."""
        if self.oracle:
            return self.oracle.interface.produces
        return self.model.interface.labels if self.settings.training else None

    @property
    def kernels(self) -> tuple[ResolvedKernel, ...]:
        """All of them: generator, model, oracle, selection, checks."""
        oracle = (self.oracle,) if self.oracle else ()
        return (self.generator, self.model, *oracle, self.selection, *self.checks)

    def to_json(self) -> str:
        """All of it as text for other ranks, which need no checks and no plugin host then."""
        return json.dumps(
            {
                "settings": self.settings.model_dump(exclude_unset=True),
                "path": self.path,
                "base": self.base,
                "text": self.text,
                "generator": self.generator.to_json(),
                "model": self.model.to_json(),
                "oracle": self.oracle.to_json() if self.oracle else None,
                "selection": self.selection.to_json(),
                "checks": [c.to_json() for c in self.checks],
            },
            default=str,
        )

    @classmethod
    def from_json(cls, text: str) -> Loaded:
        """Undo `to_json`, warnings apart. Imports no plugin: kernels import their modules when they are used."""
        data = json.loads(text)
        kernel = ResolvedKernel.from_json
        return cls(
            validate(Settings, data["settings"]),
            None if data["path"] is None else Path(data["path"]),
            Path(data["base"]),
            data["text"],
            kernel(data["generator"]),
            kernel(data["model"]),
            kernel(data["oracle"]) if data["oracle"] else None,
            kernel(data["selection"]),
            tuple(map(kernel, data["checks"])),
        )
