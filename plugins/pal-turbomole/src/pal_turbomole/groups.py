"""What the options say, as data groups of a control file."""

from __future__ import annotations

import math

from pal_ase.electronic_options import ElectronicOptions
from pal_ase.functionals import FUNCTIONALS
from pal_turbomole.control import group
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.files import Group

__all__ = ["GRIDS", "ground_groups", "response_groups", "state_group"]

GRIDS = {"coarse": "m3", "medium": "m4", "fine": "m5", "finest": "7"}
"""Turbomole's names of grids."""


def ground_groups(options: DftOptions | TddftOptions) -> list[Group]:
    """Groups of SCF and gradient.

    Those of the molecule (``$coord``, ``$atoms``, ``$basis``, ``$rij``, orbitals, occupation) are define's. Nothing
    else of its control file is used, so that no default of a version matters.
    """
    groups = [
        group("energy    file=energy"),
        group("grad    file=gradient"),
        group("drvopt", "   cartesian  on", "   basis      off", "   global     off", "   dipole     on"),
        *_convergence(options),
        group(f"maxcor    {options.memory} MiB  per_core"),
    ]
    if options.functional != "hf":
        lines = options.functional_lines or (f"functional {FUNCTIONALS[options.functional].turbomole}",)
        groups.append(group("dft", *(f"   {line}" for line in lines), f"   gridsize   {GRIDS[options.grid]}"))
    if options.density_fitting != "none":
        groups.append(group(f"ricore {options.memory}"))
    return groups + _surroundings(options)


def _convergence(options: DftOptions | TddftOptions) -> list[Group]:
    start, step, least = options.damping
    shift = "automatic=.1" if options.level_shift is None else f"closedshell={options.level_shift:.4f}"
    return [
        group(f"scfiterlimit {options.max_iterations}"),
        group(f"scfconv {math.ceil(-math.log10(options.energy_convergence) - 1e-9)}"),
        group(f"denconv {_fortran(options.density_convergence)}"),
        group("thize     0.10000000E-04"),
        group("thime        5"),
        group("scfdump"),
        group("scfintunit", " unit=30       size=0        file=twoint"),
        group("scfdiis"),
        group(f"scfdamp   start={start:.3f}  step={step:.3f}  min={least:.3f}"),
        group(f"scforbitalshift  {shift}"),
    ]


def _surroundings(options: ElectronicOptions) -> list[Group]:
    groups = []
    if options.dispersion != "none":
        groups.append(group({"d3bj": "disp3 bj", "d4": "disp4"}[options.dispersion]))
    if options.dielectric_constant is not None:
        groups.append(group("cosmo", f"  epsilon={options.dielectric_constant:.4f}"))
    return groups


def response_groups(options: TddftOptions, unrestricted: bool) -> list[Group]:
    """Groups of excited states; all of them belong to the one irrep of C1, which the control file is in."""
    method = {"tddft": "rpa", "tda": "cis"}[options.response]
    kind = f"u{method}" if unrestricted else f"{method}{options.spin[0]}"
    return [
        group(f"scfinstab {kind}"),
        group("soes", f" a   {options.states}"),
        group(f"rpaconv {options.response_convergence}"),
        group(f"rpacor {options.memory}"),
    ]


def state_group(state: int) -> Group:
    """Whose gradient egrad computes; without it, it takes the highest state."""
    return group(f"exopt {state}")


def _fortran(value: float) -> str:
    return f"{value:.1e}".replace("e", "d")
