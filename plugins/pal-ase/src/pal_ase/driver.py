"""Walkers that run any function written for ASE."""

from __future__ import annotations

from typing import ClassVar

from ase import Atoms
from pal_core.errors import PalError
from pal_core.kernels import Context, Sample, State

from pal_ase import targets
from pal_ase.options import DriverOptions
from pal_ase.structures import placed
from pal_ase.walker import Walker

__all__ = ["DriverWalker"]


class DriverWalker(Walker):
    """Runs ``f(atoms, rng)`` with an ASE calculator whose results are the committee's.

    Notes
    -----
    `atoms` come with the calculator attached; ``atoms.calc.another()`` gives further ones for methods with several
    images. When the function returns, a job is done, and it is called again with the next structure of the list.

    A call stack can't be saved: after `restore`, as after a reset, the function begins from its first line, at the
    last trusted frame or the start structure (`resume_from`).
    """

    Options = DriverOptions
    kernel: ClassVar[str] = "ase.driver"

    def __init__(self, options: DriverOptions, context: Context) -> None:
        super().__init__(options, context)
        self._resume = False
        try:
            self._function = targets.load(options.function)
        except ImportError as e:
            raise PalError(f"{self.kernel}: function = {options.function.name!r}: {e}") from e
        if not callable(self._function):
            raise PalError(f"{self.kernel}: function = {options.function.name!r} is {self._function!r}, not a function")

    def _run(self, atoms: Atoms) -> None:
        self._function(atoms, self.rng, **self.options.parameters)

    def _prepare(self, trusted: Sample | None) -> Atoms:
        if self._resume:
            trusted, self._resume = self.trusted, False
        if trusted is None or self.options.resume_from == "start":
            return self.start.copy()
        return placed(self.start, trusted)

    def _close_job(self) -> None:
        if self._talk is not None and self._talk.questions == 0:
            raise PalError(
                f"{self.kernel}: {self.options.function.name} returned without having used atoms.calc",
                "a walker proposes the geometries that its function has calculated",
            )
        super()._close_job()

    def restore(self, state: State) -> None:
        """Begin the function anew, at the last trusted frame of the snapshot or at the start structure."""
        super().restore(state)
        self._resume = True
