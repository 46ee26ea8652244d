"""Flow and heat in a channel by OpenFOAM's programs: `cfd.openfoam`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample

from pal_cfd.contours import masked_channel
from pal_cfd.curves import Domain, channel
from pal_cfd.foam_case import HEAT_STEPS, FoamCase
from pal_cfd.foam_measures import FoamNumbers, numbers
from pal_cfd.foam_mesh import DEPTH, FoamMesh
from pal_cfd.foam_output import FoamLog, OutputError, read_field, read_force, read_log, read_mesh_quality
from pal_cfd.geometry import parse
from pal_cfd.mesher import MeshError, triangulate
from pal_cfd.openfoam_options import OpenFoamOptions
from pal_cfd.samples import check_sample
from pal_cfd.sizes import Fineness
from pal_cfd.solve import FLOW

__all__ = ["OpenFoam"]

_PROGRAMS = ("checkMesh", "simpleFoam", "scalarTransportFoam")
_DEBIAN = "/usr/share/openfoam"
_TAIL = 30
_CONTINUITY, _FORCE, _HEAT = 1e-4, 0.01, 1e-3


class OpenFoam(Oracle):
    """One case per label, in ``cfd.openfoam/`` below the scratch directory.

    The mesh is that of `cfd.embedded`, finer and extruded to prisms; everything after it is OpenFOAM's. A label is
    given only if the residuals have fallen, mass and heat add up, and the force on the walls is that of the pressure
    gradient.

    Raises
    ------
    FileNotFoundError
        If a program or OpenFOAM's own folder is not there.
    """

    Options = OpenFoamOptions
    options: OpenFoamOptions

    def __init__(self, options: OpenFoamOptions, context: Context) -> None:
        super().__init__(options, context)
        self._programs = {name: self._found(name) for name in _PROGRAMS}
        self._project = options.project or os.environ.get("WM_PROJECT_DIR", "") or _DEBIAN
        if not (Path(self._project) / "etc").is_dir():
            raise FileNotFoundError(
                f"cfd.openfoam: {self._project} is not OpenFOAM's folder, it has no etc/. Set the option project, or "
                "WM_PROJECT_DIR in the environment"
            )

    def _found(self, name: str) -> str:
        found = shutil.which(name, path=self.options.programs or None)
        if found is None:
            where = self.options.programs or "PATH"
            raise FileNotFoundError(
                f"cfd.openfoam: there is no program {name!r} on {where}. Install OpenFOAM (Debian: apt-get install "
                "--no-install-recommends openfoam), set the option programs to its folder, or use cfd.embedded"
            )
        return str(Path(found).absolute())

    def inspect(self, sample: Sample) -> None:
        """Refuse designs and masks that can't be, with the reason."""
        check_sample(sample, self.options, self.options.source)

    def label(self, sample: Sample) -> Label:
        """Dimensionless ``cf`` and ``st`` of a steady flow."""
        found = self.solution(sample)[0]
        return {"cf": np.asarray(found.cf), "st": np.asarray(found.st), "unsteady": np.asarray(False)}

    def solution(self, sample: Sample) -> tuple[FoamNumbers, str]:
        """What the fields amount to, and the evidence: mesh quality, residuals, continuity, balances.

        Raises
        ------
        OracleFailure
            If OpenFOAM fails, doesn't converge, or its results don't add up.
        """
        self.inspect(sample)
        case = self._case(sample)
        folder = self.context.directory / "cfd.openfoam"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        case.write(folder)
        evidence = [f"{len(case.mesh.cells)} cells"]
        try:
            return self._solved(case, folder, evidence), "\n".join(evidence)
        except OutputError as error:
            raise OracleFailure("crashed", f"OpenFOAM: {error}", "\n".join(evidence)) from error

    def _case(self, sample: Sample) -> FoamCase:
        o = self.options
        try:
            triangles = triangulate(self._domain(sample), Fineness().finer(o.fineness))
        except MeshError as error:
            raise OracleFailure("crashed", f"no mesh fits the channel: {error}") from error
        mesh, viscosity = FoamMesh(triangles), 2 * FLOW / o.reynolds
        u, v = (mesh.corners[:, k] - mesh.corners[:, 0] for k in (1, 2))
        bulk = FLOW * mesh.period / float((u[:, 0] * v[:, 1] - u[:, 1] * v[:, 0]).sum() / 2)
        return FoamCase(mesh, bulk, viscosity, viscosity / o.prandtl, o.iterations, o.residual)

    def _domain(self, sample: Sample) -> Domain:
        if self.options.source == "mask":
            return masked_channel(np.asarray(sample["mask"]), self.options.length)
        return channel(parse(sample["design"], self.options))

    def _solved(self, case: FoamCase, folder: Path, evidence: list[str]) -> FoamNumbers:
        evidence.append(read_mesh_quality(self._run(folder, "checkMesh")))
        flow = read_log(self._run(folder, "simpleFoam"))
        evidence.append(f"simpleFoam: {flow.line()}")
        if not flow.converged:
            message = f"simpleFoam: residuals are not below {case.residual:g} after {case.iterations} iterations"
            raise OracleFailure("unconverged", message, "\n".join(evidence))
        velocity = read_field(folder / str(flow.time) / "U", len(case.mesh.cells))
        force = read_force(folder / "postProcessing" / "force" / "0" / "force.dat")[0]
        case.write_heat(folder, flow.time)
        heat = read_log(self._run(folder, "scalarTransportFoam"))
        evidence.append(f"scalarTransportFoam: {heat.line()}")
        temperature = read_field(folder / str(flow.time + HEAT_STEPS) / "T", len(case.mesh.cells))
        found = numbers(case.mesh, velocity[:, 0], temperature, flow.drive, case.diffusivity)
        self._check(case, flow, force, found, evidence)
        return found

    @staticmethod
    def _check(case: FoamCase, flow: FoamLog, force: float, found: FoamNumbers, evidence: list[str]) -> None:
        """Refuse results that don't add up."""
        volume = FLOW * case.mesh.period / case.bulk * DEPTH
        off = abs(force / (flow.drive * volume) - 1)
        evidence.append(f"force on the walls is off the pressure gradient by {off:.1e}, heat by {found.imbalance:.1e}")
        for name, value, limit in (
            ("the mass balance", flow.continuity, _CONTINUITY),
            ("the force on the walls", off, _FORCE),
            ("the heat balance", abs(found.imbalance), _HEAT),
        ):
            if not value < limit:
                message = f"{name} is off by {value:.2g}, {limit:g} is allowed"
                raise OracleFailure("unconverged", message, "\n".join(evidence))

    def _run(self, folder: Path, name: str) -> str:
        """Output of a program that ended well."""
        environment = {**os.environ, "WM_PROJECT_DIR": self._project}
        log = folder / f"log.{name}"
        # No process group of its own: the engine ends a label at its timeout by killing this process's group.
        with log.open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 -- a program of the user's OpenFOAM, without arguments
                [self._programs[name]],
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                status = process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise
        text = log.read_text(errors="replace")
        if status or "FOAM FATAL" in text:
            lines = [line for line in text.splitlines() if line.strip()]
            raise OracleFailure("crashed", f"{name} ended with status {status}", "\n".join(lines[-_TAIL:]))
        return text
