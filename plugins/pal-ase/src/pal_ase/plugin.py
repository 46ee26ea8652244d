"""What pal-ase offers. Light: imports no ASE."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from pal_core.hookspecs import hookimpl
from pal_core.spec import FormatSpec, KernelSpec, Role

if TYPE_CHECKING:
    import click

__all__ = ["pal_commands", "pal_formats", "pal_kernels"]


@hookimpl
def pal_kernels() -> Iterable[KernelSpec]:
    """Walkers, the calculator oracle, label checks."""
    exact = frozenset({"bootstrap", "snapshot"})
    return [
        KernelSpec(
            "ase.langevin",
            Role.GENERATOR,
            "pal_ase.dynamics:LangevinWalker",
            "pal_ase.options:LangevinOptions",
            "molecular dynamics at constant temperature",
            exact,
        ),
        KernelSpec(
            "ase.verlet",
            Role.GENERATOR,
            "pal_ase.dynamics:VerletWalker",
            "pal_ase.options:VerletOptions",
            "molecular dynamics at constant energy",
            exact,
        ),
        KernelSpec(
            "ase.biased-md",
            Role.GENERATOR,
            "pal_ase.biased:BiasedWalker",
            "pal_ase.bias_options:BiasedOptions",
            "Langevin dynamics with restraints, metadynamics, PLUMED, or a bias to where the committee disagrees",
            exact,
        ),
        KernelSpec(
            "ase.sampler",
            Role.GENERATOR,
            "pal_ase.sampler:Sampler",
            "pal_ase.sampler_options:SamplerOptions",
            "structures without dynamics: normal modes, placements of two fragments, transfers of an atom",
            exact,
        ),
        KernelSpec(
            "ase.driver",
            Role.GENERATOR,
            "pal_ase.driver:DriverWalker",
            "pal_ase.options:DriverOptions",
            "any function f(atoms, rng) that uses an ASE calculator: dynamics, optimisers, NEB",
            frozenset({"bootstrap"}),
        ),
        KernelSpec(
            "ase.optimize",
            Role.GENERATOR,
            "pal_ase.optimise:OptimizeWalker",
            "pal_ase.search_options:OptimizeOptions",
            "minimises structures with ASE's optimisers",
            frozenset({"bootstrap"}),
        ),
        KernelSpec(
            "ase.ts-search",
            Role.GENERATOR,
            "pal_ase.transition:TsSearchWalker",
            "pal_ase.search_options:TsSearchOptions",
            "finds transition states from guesses or pairs of minima, verifies them and follows them down",
            frozenset({"bootstrap"}),
        ),
        KernelSpec(
            "ase.calculator",
            Role.ORACLE,
            "pal_ase.oracle:CalculatorOracle",
            "pal_ase.label_options:CalculatorOptions",
            "any ASE calculator",
        ),
        *_checks(),
    ]


def _checks() -> list[KernelSpec]:
    return [
        KernelSpec(
            f"ase.{name.lower()}",
            Role.CHECK,
            f"pal_ase.{module}:{name}",
            f"pal_ase.check_options:{name}Options",
            summary,
        )
        for module, name, summary in (
            ("trustworthy", "Trustworthy", "every check of this package in one: the one to take"),
            ("checks", "Finite", "refuses labels with NaN or infinity"),
            ("checks", "Plausible", "refuses huge, zeroed, mixed-up or inverted forces, net forces and torques"),
            ("balance", "Balanced", "refuses net forces and torques far above the usual ones: unfinished SCF cycles"),
            ("records", "Fresh", "refuses stale results and geometries that come again"),
            ("records", "Level", "refuses energies far from those of other labels of the composition"),
            ("consistency", "Consistent", "refuses energies that contradict the forces of neighbouring labels"),
        )
    ]


@hookimpl
def pal_formats() -> Iterable[FormatSpec]:
    """Extended XYZ and ASE's databases."""
    return [
        FormatSpec(
            "extxyz",
            (".extxyz", ".xyz"),
            "pal_ase.formats.extxyz:read",
            "pal_ase.formats.extxyz:write",
            "extended XYZ with REF_energy, REF_forces, REF_stress",
        ),
        FormatSpec(
            "ase-db",
            (".db",),
            "pal_ase.formats.ase_db:read",
            "pal_ase.formats.ase_db:write",
            "ASE's SQLite database",
        ),
    ]


@hookimpl
def pal_commands() -> Iterable[click.Command]:
    """``pal reference``."""
    from pal_ase.commands import reference

    return [reference]
