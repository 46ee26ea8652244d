"""The files of a case: steady laminar flow of fixed mass flux (simpleFoam), then heat (scalarTransportFoam)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from pal_cfd.foam_mesh import FoamMesh, header

__all__ = ["FoamCase"]

_SCHEMES = """
ddtSchemes { default steadyState; }
gradSchemes { default leastSquares; grad(p) Gauss pointLinear; }
divSchemes
{
    default none;
    div(phi,U) bounded Gauss linearUpwind grad(U);
    div(phi,T) bounded Gauss linearUpwind grad(T);
    div((nuEff*dev2(T(grad(U))))) Gauss linear;
}
laplacianSchemes { default Gauss linear corrected; }
interpolationSchemes
{
    default linear;
    flux(HbyA) skewCorrected linear;
    interpolate(HbyA) skewCorrected linear;
}
snGradSchemes { default corrected; }
"""
_SOLUTION = """
solvers
{{
    p {{ solver GAMG; smoother GaussSeidel; tolerance 1e-10; relTol 0.05; }}
    U {{ solver PBiCGStab; preconditioner DILU; tolerance 1e-12; relTol 0.05; }}
    T {{ solver PBiCGStab; preconditioner DILU; tolerance 1e-12; relTol 1e-4; maxIter 3000; }}
}}
SIMPLE
{{
    consistent yes;
    nNonOrthogonalCorrectors {corrections};
    pRefCell 0;
    pRefValue 0;
    residualControl {{ p {residual:g}; U {residual:g}; }}
}}
relaxationFactors {{ equations {{ U 0.9; }} }}
"""
_CONTROL = """
application {application};
startFrom latestTime;
startTime 0;
stopAt endTime;
endTime {end};
deltaT 1;
writeControl timeStep;
writeInterval {end};
writePrecision 12;
timePrecision 8;
runTimeModifiable no;
{functions}
"""
_FORCES = """
functions
{
    force
    {
        type forces;
        libs ("libforces.so");
        patches (lower upper "promoter.*");
        rho rhoInf;
        rhoInf 1;
        CofR (0 0 0);
        log no;
    }
}
"""
_DRIVE = """
drive
{{
    type meanVelocityForce;
    active yes;
    selectionMode all;
    fields (U);
    Ubar ({bulk:.15g} 0 0);
    relaxation 1;
}}
"""
HEAT_STEPS = 30


@dataclass(frozen=True)
class FoamCase:
    """What is written.

    Parameters
    ----------
    mesh : FoamMesh
    bulk : float
        Mean velocity in the fluid.
    viscosity, diffusivity : float
    iterations : int
    residual : float
    """

    mesh: FoamMesh
    bulk: float
    viscosity: float
    diffusivity: float
    iterations: int
    residual: float

    def write(self, folder: Path) -> None:
        """Mesh, fields at the start and dictionaries of the flow."""
        self.mesh.write(folder)
        for name in ("0", "system"):
            (folder / name).mkdir()
        self._fields(folder / "0")
        self._dictionary(folder, "system", "fvSchemes", _SCHEMES)
        transport = f"transportModel Newtonian;\nnu {self.viscosity:.15g};\n"
        self._dictionary(folder, "constant", "transportProperties", transport)
        self._dictionary(folder, "constant", "turbulenceProperties", "simulationType laminar;\n")
        self._dictionary(folder, "constant", "fvOptions", _DRIVE.format(bulk=self.bulk))
        self._dictionary(folder, "system", "fvSolution", _SOLUTION.format(corrections=1, residual=self.residual))
        control = _CONTROL.format(application="simpleFoam", end=self.iterations, functions=_FORCES)
        self._dictionary(folder, "system", "controlDict", control)

    def write_heat(self, folder: Path, time: int) -> None:
        """What changes for the temperature, which starts where the flow ended."""
        (folder / "constant" / "fvOptions").unlink()
        transport = f"DT DT [0 2 -1 0 0 0 0] {self.diffusivity:.15g};\n"
        self._dictionary(folder, "constant", "transportProperties", transport)
        self._dictionary(folder, "system", "fvSolution", _SOLUTION.format(corrections=0, residual=self.residual))
        control = _CONTROL.format(application="scalarTransportFoam", end=time + HEAT_STEPS, functions="")
        self._dictionary(folder, "system", "controlDict", control)
        (folder / str(time) / "T").write_text((folder / "0" / "T").read_text())

    def _fields(self, folder: Path) -> None:
        wall, slip = "fixedValue; value uniform (0 0 0)", "zeroGradient"
        for name, kind, dimensions, start, on in (
            ("U", "volVectorField", "0 1 -1", f"({self.bulk:.15g} 0 0)", dict.fromkeys(self.mesh.walls, wall)),
            ("p", "volScalarField", "0 2 -2", "0", dict.fromkeys(self.mesh.walls, slip)),
            ("T", "volScalarField", "0 0 0", "0.5", {**dict.fromkeys(self.mesh.walls, slip), **_TEMPERATURES}),
        ):
            types = {**on, "left": "cyclic", "right": "cyclic", "back": "empty", "front": "empty"}
            rows = "\n".join(f"    {patch} {{ type {text}; }}" for patch, text in types.items())
            text = (
                f"dimensions [{dimensions} 0 0 0 0];\ninternalField uniform {start};\nboundaryField\n{{\n{rows}\n}}\n"
            )
            (folder / name).write_text(header(kind, name, "0") + text)

    @staticmethod
    def _dictionary(folder: Path, place: str, name: str, text: str) -> None:
        (folder / place / name).write_text(header("dictionary", name, place) + text)


_TEMPERATURES = {"lower": "fixedValue; value uniform 0", "upper": "fixedValue; value uniform 1"}
