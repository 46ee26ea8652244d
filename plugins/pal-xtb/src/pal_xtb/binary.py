"""GFN1-xTB and GFN2-xTB by the xtb program, through its files."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pal_core.kernels import Context, Label, Oracle, OracleFailure, Sample

from pal_xtb.frame import generic_frame
from pal_xtb.options import BinaryOptions
from pal_xtb.output import Gradient, OutputError, coordinates, read_energy, read_gradient, read_setup
from pal_xtb.samples import SYMBOLS, check_sample, electrons, unpaired
from pal_xtb.units import BOHR, HARTREE, HARTREE_PER_BOHR

__all__ = ["XtbProgram"]

_OUTPUT = "xtb.out"
_TAIL = 40
# Positions are written and read with 14 decimals, energies with 11.
_SAME_POSITION, _SAME_ENERGY = 1e-9, 1e-9


class XtbProgram(Oracle):
    """One xtb process per label, in ``xtb.binary/`` below the scratch directory, which is emptied before each.

    The geometry in there may be turned, see `pal_xtb.frame`.

    Raises
    ------
    FileNotFoundError
        If the program is not there.
    """

    Options = BinaryOptions
    options: BinaryOptions

    def __init__(self, options: BinaryOptions, context: Context) -> None:
        super().__init__(options, context)
        found = shutil.which(options.program)
        if found is None:
            raise FileNotFoundError(
                f"xtb.binary: there is no program {options.program!r} (option program). Install xtb (Debian: apt-get "
                "install xtb; conda-forge: xtb), or give its absolute path, or use xtb.gfn2, which needs no program"
            )
        # Relative entries of PATH would be looked up in the scratch directory.
        self._program = str(Path(found).absolute())

    def inspect(self, sample: Sample) -> None:
        """Refuse unknown elements, impossible electron counts, broken geometries and periodic samples."""
        check_sample(sample, closest=self.options.closest, molecules_only="xtb.binary labels molecules only")

    def label(self, sample: Sample) -> Label:
        """Energy [eV] and forces [eV/Å], after checking that they belong to this sample and converged."""
        self.inspect(sample)
        folder = self._empty_folder()
        positions = np.asarray(sample["positions"], np.float64) / BOHR
        frame = generic_frame(positions)
        if frame is None:
            raise OracleFailure(
                "invalid_input", "atoms share coordinates in every orientation, xtb's forces would be wrong"
            )
        positions = positions @ frame.T
        (folder / "coord").write_text(coordinates(sample["numbers"], positions))
        status = self._run(folder, sample)
        self._check_run(folder, sample, status)
        result = self._read(folder)
        self._check_geometry(result, sample, positions)
        return {
            "energy": np.asarray(result.energy * HARTREE),
            "forces": -result.gradient @ frame * HARTREE_PER_BOHR,
        }

    def _empty_folder(self) -> Path:
        folder = self.context.directory / "xtb.binary"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        return folder

    def _command(self, sample: Sample) -> list[str]:
        o = self.options
        command = [self._program, "coord", "--grad", "--norestart", "--gfn", o.method.removeprefix("gfn")]
        command += ["--chrg", str(int(sample["charge"])), "--uhf", str(unpaired(sample))]
        command += ["--acc", f"{o.accuracy:.10f}", "--etemp", f"{o.electronic_temperature:.10f}"]
        command += ["--iterations", str(o.max_iterations)]
        return [*command, "--alpb", o.solvent] if o.solvent else command

    def _run(self, folder: Path, sample: Sample) -> int:
        threads = str(self.options.threads)
        environment = {**os.environ, "OMP_NUM_THREADS": threads, "MKL_NUM_THREADS": threads}
        # No process group of its own: the engine ends a label at its timeout by killing this process's group.
        with (folder / _OUTPUT).open("wb") as output:
            process = subprocess.Popen(  # noqa: S603 -- the program is the user's choice, its arguments are ours
                self._command(sample),
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )
            try:
                return process.wait()
            except BaseException:
                process.kill()
                process.wait()
                raise

    def _check_run(self, folder: Path, sample: Sample, status: int) -> None:
        text = (folder / _OUTPUT).read_text(errors="replace")
        self._check_setup(text, sample)
        if "convergence criteria cannot be satisfied" in text or "did not converge" in text:
            message = f"xtb: no SCF convergence in {self.options.max_iterations} iterations"
            raise OracleFailure("unconverged", message, _evidence(text))
        if status:
            how = f"was killed by signal {-status}" if status < 0 else f"ended with status {status}"
            raise OracleFailure("crashed", f"xtb {how}", _evidence(text))
        if "normal termination of xtb" not in text:
            raise OracleFailure("crashed", "xtb does not report its normal termination", _evidence(text))
        if "convergence criteria satisfied" not in text:
            raise OracleFailure("unconverged", "xtb does not report that the SCF converged", _evidence(text))

    def _check_setup(self, text: str, sample: Sample) -> None:
        """Compare what xtb set out to compute with what was asked for; nothing to compare if it died before."""
        setup = read_setup(text)
        if setup is None:
            return
        wanted = f"{self.options.method.upper()}-xTB", electrons(sample)
        found = setup.hamiltonian, setup.electrons
        if found != wanted:
            message = f"xtb computed {found[0]} with {found[1]} electrons, asked for were {wanted[0]} with {wanted[1]}"
            raise OracleFailure("crashed", f"{message}; look for a .xtbrc that changes its settings", _evidence(text))
        if setup.electrons + unpaired(sample) > 2 * setup.orbitals:
            message = f"multiplicity {int(sample['multiplicity'])} leaves no room for {setup.electrons} electrons"
            raise OracleFailure("invalid_input", f"{message} in {setup.orbitals} orbitals", _evidence(text))

    def _read(self, folder: Path) -> Gradient:
        try:
            energy = read_energy((folder / "energy").read_text())
            result = read_gradient((folder / "gradient").read_text())
        except (OSError, OutputError) as error:
            raise OracleFailure("crashed", f"xtb left no readable result: {error}") from error
        if not abs(energy - result.energy) < _SAME_ENERGY:
            message = f"files energy and gradient disagree: {energy} and {result.energy} hartree"
            raise OracleFailure("crashed", message)
        return result

    @staticmethod
    def _check_geometry(result: Gradient, sample: Sample, positions: NDArray[np.float64]) -> None:
        wanted = [SYMBOLS[z].lower() for z in np.asarray(sample["numbers"])]
        if [s.lower() for s in result.symbols] != wanted:
            message = f"xtb's results are for {' '.join(result.symbols)}, asked for was {' '.join(wanted)}"
            raise OracleFailure("crashed", message)
        shift = float(np.abs(result.positions - positions).max())
        if shift > _SAME_POSITION:
            raise OracleFailure("crashed", f"xtb's results are for another geometry, {shift:.3g} bohr away")


def _evidence(text: str) -> str:
    """Last lines of the output without the backtrace of the Fortran library."""
    lines = [line.rstrip() for line in text.splitlines() if line.strip() and not line.startswith(("#", "\tat "))]
    return "\n".join(lines[-_TAIL:])
