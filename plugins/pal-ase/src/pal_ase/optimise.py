"""Walkers that search for minima."""

from __future__ import annotations

from typing import Any, ClassVar

import ase.optimize
from ase import Atoms
from pal_core.kernels import Context, Sample, State

from pal_ase.codec import atoms_to_sample
from pal_ase.inside_out import Band
from pal_ase.results import Results
from pal_ase.search_options import OptimizeOptions
from pal_ase.structures import placed
from pal_ase.walker import Walker

__all__ = ["OptimizeWalker", "SearchWalker"]


class SearchWalker(Walker):
    """A walker whose jobs end with something found.

    After a reset or a restart the job at hand begins anew, at the last trusted geometry if there is one; after too many
    resets by one model it is given up.
    """

    folder: ClassVar[str]
    """Of what is found, below the run directory."""
    success: ClassVar[str]
    """Key of a record that says whether the job has found something."""

    def __init__(self, options: Any, context: Context) -> None:
        super().__init__(options, context)
        self._results = Results(context.directory / self.folder, context.index)
        self._resume = False

    def _prepare(self, trusted: Sample | None) -> Atoms:
        if self._resume:
            trusted, self._resume = self.trusted, False
        return self.start.copy() if trusted is None else placed(self.start, trusted)

    def restore(self, state: State) -> None:
        """Begin the job of the snapshot anew, at its last trusted geometry."""
        super().restore(state)
        self._resume = True

    def _reset(self, problem: str) -> Atoms | Band | None:
        limit = self.options.give_up_after
        return self._give_job_up(problem) if limit and self.counts.setbacks >= limit else super()._reset(problem)

    def _give_job_up(self, problem: str) -> Atoms | Band | None:
        """Begin the next job; what this one has found before stays."""
        reason = f"given up after {self.counts.setbacks} resets by the same model, the last time since {problem}"
        self.context.note(f"walker {self.context.index}: job {self.counts.runs} is {reason}")
        if not any(r["job"] == self.counts.runs for r in self._results.records):
            self._keep({self.success: False, "reason": reason})
        self.give_up()
        self._close_job()
        return self._begin()

    def _keep(self, record: dict[str, Any], *frames: tuple[Atoms, dict[str, Any]]) -> None:
        """Write what this job has found."""
        structure = {"structure": self.deal.structure(self.counts.runs)}
        samples = [(atoms_to_sample(atoms), info) for atoms, info in frames]
        self._results.write(self.counts.runs, {**structure, **record}, samples)


class OptimizeWalker(SearchWalker):
    """Minimises one structure after the other with one of ASE's optimisers; the minima go to the oracle."""

    Options = OptimizeOptions
    kernel: ClassVar[str] = "ase.optimize"
    folder: ClassVar[str] = "minima"
    success: ClassVar[str] = "converged"

    def _run(self, atoms: Atoms) -> None:
        options, calculator = self.options, atoms.calc
        with getattr(ase.optimize, options.optimizer)(atoms, logfile=None) as optimiser:
            converged = bool(optimiser.run(fmax=options.fmax, steps=options.steps))
            steps = int(optimiser.nsteps)
        energy = float(atoms.get_potential_energy())
        found = {"converged": converged, "energy": energy, **calculator.deviation, "version": calculator.version}
        self._keep({**found, "steps": steps}, (atoms, {"energy": energy, "pal_converged": converged}))
        if not converged:
            self.context.note(f"walker {self.context.index}: no minimum in {options.steps} steps")
        elif options.verify:
            calculator.conversation.ask_all([atoms], label=True, lenient=True)
