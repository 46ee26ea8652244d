"""What pal-nequip offers. Light."""

from __future__ import annotations

import click
from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

from pal_nequip.commands import nequip

__all__ = ["pal_commands", "pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The two architectures."""
    return [
        KernelSpec(
            name="nequip.nequip",
            role=Role.MODEL,
            target="pal_nequip.model:NequipCommittee",
            options="pal_nequip.options:NequipOptions",
            summary="NequIP: equivariant message passing; energies, forces and stress of molecules and crystals",
            capabilities=frozenset({"snapshot", "use"}),
        ),
        KernelSpec(
            name="nequip.allegro",
            role=Role.MODEL,
            target="pal_nequip.model:AllegroCommittee",
            options="pal_nequip.options:AllegroOptions",
            summary="Allegro: strictly local and equivariant; energies, forces and stress of molecules and crystals",
            capabilities=frozenset({"snapshot", "use"}),
        ),
    ]


@hookimpl
def pal_commands() -> list[click.Command]:
    """``pal nequip``."""
    return [nequip]
