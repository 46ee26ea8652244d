"""What pal-mace offers. Light."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

if TYPE_CHECKING:
    import click

__all__ = ["pal_commands", "pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The committee member."""
    return [
        KernelSpec(
            name="mace.committee",
            role=Role.MODEL,
            target="pal_mace.model:MaceCommittee",
            options="pal_mace.options:MaceOptions",
            summary="MACE: energies, forces and stress of molecules and crystals, from scratch or from a trained model",
            capabilities=frozenset({"snapshot", "use"}),
        )
    ]


@hookimpl
def pal_commands() -> Iterable[click.Command]:
    """``pal mace``."""
    from pal_mace.commands import mace

    return [mace]
