"""Flow and heat in a channel, solved in process: `cfd.embedded`."""

from __future__ import annotations

import numpy as np
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample

from pal_cfd.contours import masked_channel
from pal_cfd.curves import Domain, channel
from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.flow import NotConvergedError
from pal_cfd.frame import framed, framed_mask
from pal_cfd.geometry import parse
from pal_cfd.mesher import MeshError
from pal_cfd.samples import check_sample
from pal_cfd.sizes import Fineness
from pal_cfd.solve import Case, Solution, solve

__all__ = ["Embedded"]

_STEP = 1.4
_IMBALANCE = 1e-3


class Embedded(Oracle):
    """Finite elements on meshes that fit the walls, refined until cf and st stand still.

    Steady flow by Newton's method; see `pal_cfd.measures` for what cf and st mean and for their analytic limits.
    The label depends on the sample alone.
    """

    Options = EmbeddedOptions
    options: EmbeddedOptions

    def __init__(self, options: EmbeddedOptions, context: Context) -> None:
        super().__init__(options, context)

    def inspect(self, sample: Sample) -> None:
        """Refuse designs and masks that can't be, with the reason."""
        check_sample(sample, self.options, self.options.source)

    def label(self, sample: Sample) -> Label:
        """Dimensionless ``cf`` and ``st``, and whether they are averages of an ``unsteady`` flow."""
        self.inspect(sample)
        found = self.solution(sample)
        return {"cf": np.asarray(found.cf), "st": np.asarray(found.st), "unsteady": np.asarray(found.unsteady)}

    def solution(self, sample: Sample) -> Solution:
        """The finest solution, with all its fields.

        Raises
        ------
        OracleFailure
            If there is no solution, or it still changes with the mesh.
        """
        domain, lines, last = self._domain(sample), list[str](), None
        trouble: Exception | None = None
        for level in range(self.options.refinements + 1):
            fineness = Fineness().finer(self.options.fineness * _STEP**level)
            try:
                found = self._solve(domain, fineness, last)
            except (MeshError, NotConvergedError) as error:
                trouble = error
                lines.append(str(error))
                continue
            lines.append(found.line())
            if last is not None and self._agree(last, found):
                return found
            last = found
        raise self._failure(last, trouble, lines)

    def _domain(self, sample: Sample) -> Domain:
        if self.options.source == "mask":
            return masked_channel(framed_mask(np.asarray(sample["mask"])), self.options.length)
        return framed(channel(parse(sample["design"], self.options)))

    def _solve(self, domain: Domain, fineness: Fineness, start: Solution | None) -> Solution:
        o = self.options
        case = Case(o.reynolds, o.prandtl, o.heating, o.stability, o.tolerance, o.longest)
        return solve(domain, fineness, case, start)

    def _agree(self, a: Solution, b: Solution) -> bool:
        limit = self.options.tolerance
        same = abs(a.cf - b.cf) <= limit * abs(b.cf) and abs(a.st - b.st) <= limit * abs(b.st)
        return same and abs(b.imbalance) <= _IMBALANCE

    def _failure(self, last: Solution | None, trouble: Exception | None, lines: list[str]) -> OracleFailure:
        if last is None and isinstance(trouble, MeshError):
            return OracleFailure("crashed", f"no mesh fits the channel: {trouble}", "\n".join(lines))
        if last is None:
            return OracleFailure("unconverged", "no mesh gives a flow, see the evidence", "\n".join(lines))
        o = self.options
        message = f"cf and st still change by more than {o.tolerance:g} after {o.refinements} refinements"
        return OracleFailure("unconverged", message, "\n".join(lines))
