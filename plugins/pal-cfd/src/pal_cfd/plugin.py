"""What pal-cfd offers. Light."""

from __future__ import annotations

from pal_core.hookspecs import hookimpl
from pal_core.spec import KernelSpec, Role

__all__ = ["pal_kernels"]


@hookimpl
def pal_kernels() -> list[KernelSpec]:
    """The flow solvers, the committee member, and searches."""
    return [
        KernelSpec(
            "cfd.embedded",
            Role.ORACLE,
            "pal_cfd.embedded:Embedded",
            "pal_cfd.embedded_options:EmbeddedOptions",
            "laminar channel flow with heat transfer by finite elements, in process",
        ),
        KernelSpec(
            "cfd.openfoam",
            Role.ORACLE,
            "pal_cfd.openfoam:OpenFoam",
            "pal_cfd.openfoam_options:OpenFoamOptions",
            "the same, steady, by OpenFOAM's programs",
        ),
        KernelSpec(
            name="cfd.cnn",
            role=Role.MODEL,
            target="pal_cfd.cnn:ChannelCnn",
            options="pal_cfd.cnn_options:CnnOptions",
            summary="Convolutional network: drag and heat transfer of a channel from its mask",
            capabilities=frozenset({"snapshot", "use"}),
        ),
        KernelSpec(
            name="cfd.swarm",
            role=Role.GENERATOR,
            target="pal_cfd.walkers:ChannelSwarm",
            options="pal_cfd.search_options:ChannelSwarmOptions",
            summary="Particle swarm over promoters and walls: much heat transfer at little drag",
            capabilities=frozenset({"bootstrap", "snapshot"}),
        ),
        KernelSpec(
            name="cfd.random",
            role=Role.GENERATOR,
            target="pal_cfd.walkers:ChannelRandom",
            options="pal_cfd.search_options:ChannelRandomOptions",
            summary="Latin hypercubes over promoters and walls",
            capabilities=frozenset({"bootstrap", "snapshot"}),
        ),
        KernelSpec(
            name="cfd.gest",
            role=Role.GENERATOR,
            target="pal_cfd.walkers:ChannelGest",
            options="pal_cfd.search_options:ChannelGestOptions",
            summary="A gest-api generator (Xopt, Optimas, libEnsemble) over promoters and walls",
            capabilities=frozenset({"bootstrap"}),
        ),
    ]
