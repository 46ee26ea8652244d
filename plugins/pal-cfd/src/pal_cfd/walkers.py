"""Searches among channels: the kernels `cfd.swarm`, `cfd.random` and `cfd.gest`."""

from __future__ import annotations

from typing import ClassVar

from pal_core.options import KernelOptions

from pal_cfd.goals import ChannelGoals
from pal_cfd.search_options import ChannelGestOptions, ChannelRandomOptions, ChannelSwarmOptions, GoalOptions
from pal_cfd.space import ChannelSpace
from pal_design.gest import GestWalker
from pal_design.random_walker import RandomWalker
from pal_design.swarm_walker import SwarmWalker

__all__ = ["ChannelGest", "ChannelRandom", "ChannelSwarm"]


def _goals(options: GoalOptions, walker: int, penalty: float = 0.0) -> ChannelGoals:
    return ChannelGoals(options.objectives[walker % len(options.objectives)], options.largest_cf, penalty)


class ChannelSwarm(SwarmWalker):
    """A particle swarm over the parameters of promoters and walls (J. Kennedy, R. Eberhart, ICNN'95, 1942)."""

    Options: ClassVar[type[KernelOptions]] = ChannelSwarmOptions
    options: ChannelSwarmOptions

    def make_space(self) -> ChannelSpace:
        """The channels."""
        return ChannelSpace(self.options)

    def make_goals(self) -> ChannelGoals:
        """Much heat transfer at little drag, of pessimistic predictions."""
        return _goals(self.options, self.context.index, self.options.penalty)


class ChannelRandom(RandomWalker):
    """Latin hypercubes over the parameters of promoters and walls, as far as designs are admissible."""

    Options: ClassVar[type[KernelOptions]] = ChannelRandomOptions
    options: ChannelRandomOptions

    def make_space(self) -> ChannelSpace:
        """The channels."""
        return ChannelSpace(self.options)

    def make_goals(self) -> ChannelGoals:
        """Nothing here depends on them."""
        return ChannelGoals("pareto")


class ChannelGest(GestWalker):
    """A generator of another library over the parameters of promoters and walls."""

    Options: ClassVar[type[KernelOptions]] = ChannelGestOptions
    options: ChannelGestOptions

    def make_space(self) -> ChannelSpace:
        """The channels."""
        return ChannelSpace(self.options)

    def make_goals(self) -> ChannelGoals:
        """Much heat transfer at little drag."""
        return _goals(self.options, self.context.index)
