"""Molecular dynamics directly on an oracle, for test sets that no model has had a part in."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator, all_changes
from ase.md.langevin import Langevin
from pal_core import rng as streams
from pal_core.errors import PalError
from pal_core.kernels import Context, Label, Oracle, OracleFailure
from pal_core.plugins.host import PluginHost
from pal_core.spec import Role
from pydantic import ValidationError

from pal_ase.codec import atoms_to_sample
from pal_ase.formats.extxyz import format_sample
from pal_ase.guards import kinetic_temperature
from pal_ase.options import LangevinOptions
from pal_ase.structures import draw_momenta, start_structures

__all__ = ["OracleCalculator", "Plan", "make_reference", "make_oracle"]


@dataclass(frozen=True)
class Plan:
    """A reference trajectory.

    Parameters
    ----------
    oracle : str
        Name of the oracle kernel.
    options : dict
        Its options.
    structure : Path
        File with the start structure; of several frames the first.
    temperature, timestep, friction : float
        In K, fs and 1/fs.
    frames, interval, equilibrate : int
        Labelled frames to write, steps between two of them, steps before the first.
    charge, multiplicity : int or None
        Default: the file's, or 0 and the lowest possible.
    seed : int
    """

    oracle: str
    options: dict[str, Any]
    structure: Path
    temperature: float = 300.0
    timestep: float = 0.5
    friction: float = 0.01
    frames: int = 200
    interval: int = 10
    equilibrate: int = 500
    charge: int | None = None
    multiplicity: int | None = None
    seed: int = 0

    @property
    def steps(self) -> int:
        """All steps of the dynamics."""
        return self.equilibrate + (self.frames - 1) * self.interval


def make_oracle(name: str, options: dict[str, Any], context: Context) -> Oracle:
    """An oracle kernel by name, outside of a run.

    Raises
    ------
    PalError
        If there is no such oracle, or its options are wrong; says which and how.
    """
    host = PluginHost.discover()
    spec = host.find_kernel(name, Role.ORACLE)
    try:
        validated = host.load_options(spec)(**options)
    except ValidationError as e:
        problems = "; ".join(f"{'.'.join(map(str, p['loc'])) or 'options'}: {p['msg']}" for p in e.errors())
        raise PalError(f"{name}: {problems}", f"`pal kernels {name}` shows its options") from e
    oracle = host.load_kernel(spec)(validated, context)
    if not isinstance(oracle, Oracle):
        raise PalError(f"{name} is not an oracle")
    return oracle


class OracleCalculator(Calculator):  # type: ignore[misc]
    """An oracle as an ASE calculator.

    Parameters
    ----------
    oracle : Oracle
        Its scratch directory is emptied before every label, as in a run.
    """

    implemented_properties = ("energy", "forces")

    def __init__(self, oracle: Oracle) -> None:
        super().__init__()
        self.oracle = oracle
        self.label_: Label = {}

    def calculate(
        self,
        atoms: Atoms | None = None,
        properties: list[str] | None = None,
        system_changes: list[str] = all_changes,
    ) -> None:
        """Ask the oracle."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        _empty(self.oracle.context.directory)
        self.label_ = self.oracle.label(atoms_to_sample(self.atoms))
        self.results = {"energy": float(self.label_["energy"]), "forces": np.array(self.label_["forces"])}


def _empty(directory: Path) -> None:
    for entry in directory.iterdir():
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry)
        else:
            entry.unlink()


def make_reference(plan: Plan, output: Path, progress: Callable[[int], Any]) -> str:
    """Run the dynamics and write the frames.

    Parameters
    ----------
    plan : Plan
    output : Path
        Written as ``<output>.part`` until it is complete.
    progress : callable
        Called with the number of steps since the last call.

    Returns
    -------
    str
        A sentence for the user.

    Raises
    ------
    PalError
        If the oracle or the structure is not usable, or a calculation fails.
    """
    start = LangevinOptions(structure=plan.structure, charge=plan.charge, multiplicity=plan.multiplicity)
    atoms = start_structures("reference", plan.structure, start)[0].copy()
    partial = output.with_name(output.name + ".part")
    written = 0
    with tempfile.TemporaryDirectory(prefix="pal-reference-") as scratch:
        oracle = make_oracle(plan.oracle, plan.options, Context("oracle", seed=plan.seed, directory=Path(scratch)))
        try:
            temperatures = []
            with partial.open("w", encoding="utf-8") as file:
                for frame, temperature in _dynamics(plan, atoms, oracle, progress):
                    file.write(frame)
                    file.flush()
                    written += 1
                    temperatures.append(temperature)
        except OracleFailure as e:
            advice = f"{written} of {plan.frames} frames are in {partial}; a smaller timestep may help"
            raise PalError(f"{plan.oracle} failed ({e})", advice) from e
        finally:
            oracle.close()
    partial.replace(output)
    return f"{written} frames in {output}, mean kinetic temperature {np.mean(temperatures):.0f} K"


def _dynamics(plan: Plan, atoms: Atoms, oracle: Oracle, progress: Callable[[int], Any]) -> Any:
    """Yield text and kinetic temperature of every frame."""
    labels = oracle.options.interface().produces
    rng = streams.stream(plan.seed, "reference", 0)
    calculator = OracleCalculator(oracle)
    atoms.calc = calculator
    draw_momenta(atoms, plan.temperature, rng)
    dynamics = Langevin(
        atoms,
        plan.timestep * units.fs,
        temperature_K=plan.temperature,
        friction=plan.friction / units.fs,
        fixcm=False,
        rng=rng,
    )
    for step in range(plan.steps + 1):
        if step:
            dynamics.step()
            progress(1)
        done = step - plan.equilibrate
        if done < 0 or done % plan.interval:
            continue
        atoms.get_forces()  # without a step there is no label yet
        sample = {**atoms_to_sample(atoms), **calculator.label_}
        origin = {"oracle": plan.oracle, "temperature": plan.temperature, "step": step, "seed": plan.seed}
        yield format_sample(sample, labels, origin), kinetic_temperature(atoms)
