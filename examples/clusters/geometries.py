"""Geometries that no run has proposed: random clusters to begin with, and frames of xTB's dynamics to judge by."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from itertools import cycle, islice
from pathlib import Path

import numpy as np
from ase import Atoms, units
from ase.md.langevin import Langevin

from pal_ase.cluster_options import ClusterKind, ClustersOptions
from pal_ase.clusters import random_cluster
from pal_ase.guards import Guards
from pal_ase.options import LangevinOptions
from pal_ase.reference import OracleCalculator, make_oracle
from pal_ase.structures import displaced, draw_momenta
from pal_core import rng as streams
from pal_core.kernels import Context, OracleFailure

__all__ = ["held_out", "initial"]

STEPS = 300
"""Of dynamics before a held-out frame: far more than the bath needs (1 / friction)."""


def initial(options: LangevinOptions, count: int, seed: int) -> list[Atoms]:
    """Random clusters with displacements, `count` of every charge."""
    rng = streams.stream(seed, "initial set", 0)
    clusters = options.structure
    return [
        displaced(random_cluster(kind, clusters, rng), options.rattle, rng) for kind in _kinds(clusters, count, rng)
    ]


def held_out(options: LangevinOptions, count: int, seed: int) -> list[Atoms]:
    """Frames of GFN1-xTB dynamics at the walkers' temperature, each from a cluster of its own, `count` of every charge.

    GFN1-xTB, since it converges for stretched bismuth clusters where GFN2-xTB doesn't.
    """
    rng = streams.stream(seed, "held-out set", 0)
    with tempfile.TemporaryDirectory() as scratch:
        calculator = OracleCalculator(make_oracle("xtb.gfn1", {}, Context("oracle", directory=Path(scratch))))
        return [_frame(kind, options, calculator, rng) for kind in _kinds(options.structure, count, rng)]


def _kinds(clusters: ClustersOptions, count: int, rng: np.random.Generator) -> Iterator[ClusterKind]:
    """`count` of every charge; sizes and shapes by turns, from a random one on."""
    for charge in clusters.charges:
        those = [kind for kind in clusters.kinds() if kind.charge == charge]
        start = int(rng.integers(len(those)))
        yield from islice(cycle(those), start, start + count)


def _frame(
    kind: ClusterKind, options: LangevinOptions, calculator: OracleCalculator, rng: np.random.Generator
) -> Atoms:
    while True:
        atoms = random_cluster(kind, options.structure, rng)
        guards = Guards(options.closest, options.isolated, options.spread, 0.0, atoms, connected=options.apart)
        atoms.calc = calculator
        draw_momenta(atoms, options.temperature, rng)
        bath = {"temperature_K": options.temperature, "friction": options.friction / units.fs, "rng": rng}
        try:
            Langevin(atoms, options.timestep * units.fs, fixcm=False, **bath).run(STEPS)
        except OracleFailure:
            continue  # a geometry that xTB can't do; another cluster takes its place
        atoms.calc = None
        if guards.judge(atoms) is None:
            atoms.set_velocities(np.zeros((len(atoms), 3)))
            return atoms
