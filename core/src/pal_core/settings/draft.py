"""Settings under examination."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pal_core.options import KernelOptions
from pal_core.plugins.host import PluginHost
from pal_core.settings.kernels import ResolvedKernel
from pal_core.settings.lines import KeyPath
from pal_core.settings.model import (
    DataTable,
    GeneratorTable,
    ModelTable,
    NodeRule,
    OracleTable,
    SelectionTable,
    StopTable,
    TrainingTable,
)
from pal_core.settings.report import Report

__all__ = ["Draft"]


@dataclass
class Draft:
    """What could be made of the settings so far; None where that was nothing.

    Whether a table stands in the file at all is a matter of `data`, not of the others.

    Parameters
    ----------
    data : dict
        The parsed file.
    base : Path
        Folder that relative paths start from.
    host : PluginHost
    report : Report
        Where problems go.
    kernels : dict of key path to ResolvedKernel
        By the table that names them: ``("generator",)``, ``("check", 0)``.
    options : dict of key path to KernelOptions
        Their options, without those in error.
    """

    data: dict[str, Any]
    base: Path
    host: PluginHost
    report: Report
    kernels: dict[KeyPath, ResolvedKernel] = field(default_factory=dict)
    options: dict[KeyPath, KernelOptions] = field(default_factory=dict)
    generator: GeneratorTable | None = None
    model: ModelTable | None = None
    training: TrainingTable | None = None
    oracle: OracleTable | None = None
    selection: SelectionTable | None = None
    initial: DataTable | None = None
    stop: StopTable | None = None
    placement: tuple[NodeRule, ...] = ()

    def kernel(self, name: str) -> ResolvedKernel | None:
        """Kernel of the table `name`."""
        return self.kernels.get((name,))

    @property
    def checks(self) -> list[tuple[int, ResolvedKernel]]:
        """Label checks with their place in the file."""
        return [(int(at[1]), kernel) for at, kernel in self.kernels.items() if at[0] == "check"]
