"""What pal-design offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """Searches in a box of numbers."""
    return [
        KernelSpec(
            name="design.swarm",
            role=Role.GENERATOR,
            target="pal_design.box:BoxSwarm",
            options="pal_design.options:SwarmBoxOptions",
            summary="Particle swarm in a box of numbers, for one objective or a Pareto front",
            capabilities=frozenset({"bootstrap", "snapshot"}),
        ),
        KernelSpec(
            name="design.random",
            role=Role.GENERATOR,
            target="pal_design.box:BoxRandom",
            options="pal_design.options:RandomBoxOptions",
            summary="Latin hypercubes in a box of numbers",
            capabilities=frozenset({"bootstrap", "snapshot"}),
        ),
        KernelSpec(
            name="design.gest",
            role=Role.GENERATOR,
            target="pal_design.box:BoxGest",
            options="pal_design.options:GestBoxOptions",
            summary="A gest-api generator (Xopt, Optimas, libEnsemble) in a box of numbers",
            capabilities=frozenset({"bootstrap"}),
        ),
    ]
