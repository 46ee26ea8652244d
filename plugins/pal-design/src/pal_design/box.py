"""Searches in a box of numbers: the kernels `design.swarm`, `design.random` and `design.gest`."""

from __future__ import annotations

from typing import ClassVar

from pal_core.options import KernelOptions

from pal_design.gest import GestWalker
from pal_design.goals import FieldGoals
from pal_design.options import BoxOptions, GestBoxOptions, RandomBoxOptions, SwarmBoxOptions
from pal_design.random_walker import RandomWalker
from pal_design.space import Box
from pal_design.swarm_walker import SwarmWalker

__all__ = ["BoxGest", "BoxRandom", "BoxSwarm"]


def _box(options: BoxOptions) -> Box:
    return Box(options.field, options.lower, options.upper)


def _goals(options: BoxOptions, penalty: float = 0.0) -> FieldGoals:
    return FieldGoals(options.minimise, options.maximise, options.at_most, options.at_least, penalty)


class BoxSwarm(SwarmWalker):
    """A particle swarm in a box; with several objectives it looks for their front."""

    Options: ClassVar[type[KernelOptions]] = SwarmBoxOptions
    options: SwarmBoxOptions

    def make_space(self) -> Box:
        """The box."""
        return _box(self.options)

    def make_goals(self) -> FieldGoals:
        """Objectives and limits on predicted fields."""
        return _goals(self.options, self.options.penalty)


class BoxRandom(RandomWalker):
    """Latin hypercubes in a box."""

    Options: ClassVar[type[KernelOptions]] = RandomBoxOptions
    options: RandomBoxOptions

    def make_space(self) -> Box:
        """The box."""
        return _box(self.options)

    def make_goals(self) -> FieldGoals:
        """Objectives and limits on predicted fields, which nothing here depends on."""
        return _goals(self.options)


class BoxGest(GestWalker):
    """A generator of another library in a box."""

    Options: ClassVar[type[KernelOptions]] = GestBoxOptions
    options: GestBoxOptions

    def make_space(self) -> Box:
        """The box."""
        return _box(self.options)

    def make_goals(self) -> FieldGoals:
        """Objectives and limits on predicted fields."""
        return _goals(self.options)
