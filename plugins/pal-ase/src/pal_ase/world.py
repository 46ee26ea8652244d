"""Keeps ASE from using MPI behind PAL's back."""

from __future__ import annotations

import ase.parallel

__all__ = ["use_serial_ase"]


def use_serial_ase() -> None:
    """Make ASE take this process for the only one.

    As soon as mpi4py is imported, `ase.parallel.world` is MPI.COMM_WORLD: Langevin dynamics broadcasts its
    random numbers, `ase.io` reads on rank 0 and broadcasts, optimisers synchronise. In a run of PAL the other
    ranks do something else and would never answer.
    """
    # Other modules hold the object already, so it is the object that has to change.
    ase.parallel.world.__class__ = ase.parallel.DummyMPI
