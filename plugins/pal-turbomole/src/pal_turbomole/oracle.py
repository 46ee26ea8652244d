"""DFT by Turbomole's programs; and what its other kernel shares."""

from __future__ import annotations

import hashlib
import shutil
from abc import abstractmethod
from collections import OrderedDict
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample

from pal_ase.inspection import check_cell, check_electrons, check_elements, check_positions, check_spin
from pal_ase.orbital_store import OrbitalStore
from pal_turbomole.calculation import Calculation, programs
from pal_turbomole.coordinates import Geometry
from pal_turbomole.define import converse
from pal_turbomole.groups import ground_groups
from pal_turbomole.install import Installation, find
from pal_turbomole.options import DftOptions, TddftOptions
from pal_turbomole.reading.files import Group
from pal_turbomole.setup import ORBITALS, Setup, read, request
from pal_turbomole.units import HARTREE, HARTREE_PER_BOHR

__all__ = ["Dft", "Turbomole"]

_HEAVIEST = 86
_SETUPS = 64
"""Compositions whose input is kept."""
_GEOMETRIES = 16
"""Geometries whose orbitals are kept: 20 bytes for each coefficient, 40 MB for 1000 functions and two spins."""


class Turbomole(Oracle):
    """Input, start orbitals and scratch directory; kernels say which programs they run.

    Programs run in ``turbomole/`` below the oracle's scratch directory, one folder after the other, which goes after
    each label.

    Raises
    ------
    PalError
        If Turbomole or its licence is missing.
    """

    options: DftOptions | TddftOptions

    def __init__(self, options: DftOptions | TddftOptions, context: Context) -> None:
        super().__init__(options, context)
        self._installation = installation(options)
        self._setups: OrderedDict[tuple[bytes, int, int], Setup] = OrderedDict()
        self._orbitals: OrbitalStore[Mapping[str, bytes]] = OrbitalStore(keep=_GEOMETRIES)

    @classmethod
    def check_machine(cls, options: DftOptions | TddftOptions) -> None:
        """Raise a `PalError` if Turbomole, one of its programs or its licence is missing."""
        installation(options)

    @abstractmethod
    def calculate(self, calculation: Calculation) -> Label:
        """Run the programs in a folder with all input; the label of its sample."""

    @abstractmethod
    def method(self, unrestricted: bool) -> list[Group]:
        """Data groups of the method."""

    def inspect(self, sample: Sample) -> None:
        """Refuse elements without basis sets, impossible electron counts, broken geometries and periodic samples."""
        numbers = np.asarray(sample["numbers"])
        check_elements(numbers, _HEAVIEST, "Turbomole's library")
        check_cell(sample, "Turbomole's kernels label molecules only")
        check_positions(sample, self.options.closest)
        charge, multiplicity = int(sample["charge"]), int(sample["multiplicity"])
        check_electrons(charge, multiplicity, int(numbers.sum()) - charge)
        check_spin(self.options.reference, multiplicity)
        request(self.options, sample)

    def label(self, sample: Sample) -> Label:
        """Energies and forces, after checks that they converged and belong to this sample."""
        self.inspect(sample)
        folder = self.context.directory / "turbomole"
        shutil.rmtree(folder, ignore_errors=True)
        try:
            label = self._attempts(folder, sample)
        except OracleFailure:
            self._keep(folder, sample)
            raise
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return label

    def _attempts(self, folder: Path, sample: Sample) -> Label:
        """Start from the nearest geometry's orbitals; if that doesn't converge, from the extended Hückel guess."""
        near = self._orbitals.nearest(sample) if self.options.reuse_orbitals else None
        if near is not None:
            try:
                return self._attempt(folder / "near", sample, near)
            except OracleFailure as e:
                if e.kind != "unconverged":
                    raise
                self.context.log.info("%s; starts again from the extended Hückel guess", e.message)
        return self._attempt(folder / "guess", sample, None)

    def _attempt(self, folder: Path, sample: Sample, orbitals: Mapping[str, bytes] | None) -> Label:
        folder.mkdir(parents=True)
        (folder / "coord").write_text(Geometry.of(sample).coord_text())
        setup = self._setup(sample, folder)
        setup.write(folder, self.method(setup.unrestricted), orbitals)
        label = self.calculate(Calculation(sample, self.options, self._installation, folder, setup.electrons))
        if self.options.reuse_orbitals:
            files = {name: (folder / name).read_bytes() for name in ORBITALS if (folder / name).is_file()}
            self._orbitals.add(sample, files)
        return label

    def _setup(self, sample: Sample, folder: Path) -> Setup:
        """What define makes of the sample, or made of another one with the same atoms.

        Where orbitals aren't to be reused, define is asked for each sample, since the orbitals of its guess are those
        of a geometry; then a label depends on the sample alone.
        """
        key = np.asarray(sample["numbers"]).tobytes(), int(sample["charge"]), int(sample["multiplicity"])
        if self.options.reuse_orbitals and key in self._setups:
            self._setups.move_to_end(key)
            return self._setups[key]
        asked = request(self.options, sample)
        define = folder / "define"
        define.mkdir()
        shutil.copy(folder / "coord", define)
        limit = self.options.define_limit
        converse(self._installation.programs["define"], define, self._installation.environment, asked, limit)
        setup = self._setups[key] = read(define, sample, asked)
        while len(self._setups) > _SETUPS:
            self._setups.popitem(last=False)
        return setup

    def _keep(self, folder: Path, sample: Sample) -> None:
        """Move the files of a failed label to where they can be looked at."""
        if self.options.keep_failed is None or not folder.is_dir():
            return
        digest = hashlib.blake2s(np.asarray(sample["positions"], np.float64).tobytes(), digest_size=4).hexdigest()
        place = self.options.keep_failed / f"worker-{self.context.index}-{digest}"
        try:
            self.options.keep_failed.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(place, ignore_errors=True)
            shutil.move(folder, place)
        except OSError as e:
            self.context.note(f"files of a failed label could not be kept in {place}: {e}")


class Dft(Turbomole):
    """DFT and Hartree-Fock: energy and forces of the ground state."""

    Options = DftOptions
    options: DftOptions

    def method(self, unrestricted: bool) -> list[Group]:
        """Data groups of the SCF."""
        return ground_groups(self.options)

    def calculate(self, calculation: Calculation) -> Label:
        """Energy [eV] and forces [eV/Å]."""
        scf = calculation.scf()
        gradient = calculation.gradient(scf)
        return {"energy": np.asarray(scf.energy * HARTREE), "forces": -gradient * HARTREE_PER_BOHR}


def installation(options: DftOptions | TddftOptions) -> Installation:
    """Where the programs are that labels by these options need.

    Raises
    ------
    PalError
    """
    return find(
        programs(options),
        turbodir=options.turbodir,
        parallel=options.parallel,
        cores=options.cores,
        licence=options.check_licence,
    )
