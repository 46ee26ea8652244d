"""Stands in for one of Turbomole's programs, whose name is its argument: reads its input, computes, writes its formats.

The file ``failures`` beside the list of calls makes programs fail: ``ridft:unconverged grad:stale``.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

sys.path.insert(0, os.path.dirname(__file__))  # noqa: PTH120 - isolated Python leaves it out

import define
import formats as f
import inputs as i

SCF, GRADIENT, RESPONSE = ("dscf", "ridft"), ("grad", "rdgrad"), ("escf", "egrad")
KINDS = {"rpas": "RPA SINGLET", "rpat": "RPA TRIPLET", "urpa": "RPA UHF"}
KINDS |= {"ciss": "CI SINGLES SINGLET", "cist": "CI SINGLES TRIPLET", "ucis": "CI SINGLES UHF"}


class Program:
    """A run in the folder that is the current one."""

    def __init__(self, name: str) -> None:
        self.name = name
        path = Path(os.environ["STANDIN_CALLS"]).with_name("failures")
        wishes = path.read_text().split() if path.exists() else []
        self.failures = {w.partition(":")[2] for w in wishes if w.partition(":")[0] == name}
        self.lines = f.banner(name)
        self.molecule, self.method, self.groups = i.job()
        self.elements, self.positions = self.molecule["elements"], self.molecule["positions"]
        if "geometry" in self.failures:
            self.positions = [[x + 0.01 for x in self.positions[0]], *self.positions[1:]]
        if "charge" in self.failures:
            self.molecule |= {"charge": self.molecule["charge"] + 2}
        if "functional" in self.failures:
            self.method |= {"functional": "b-p"}
        self.molecule |= {"positions": self.positions}
        self.core = i.cores(i.attributes(self.groups), i.read("basis"))

    def run(self) -> int:
        """Exit status; output goes to standard output, last words to standard error."""
        if "killed" in self.failures:
            os.kill(os.getpid(), signal.SIGSEGV)
        self.step("actual step")
        if "licence" in self.failures:
            print("\n".join([*self.lines, " Your license has expired on 2019-12-31", " please contact support"]))
            return self.abnormal()
        if "disk" in self.failures:
            print("\n".join(self.lines))
            print("forrtl: No space left on device", file=sys.stderr)
            return self.abnormal()
        ok = (self.scf if self.name in SCF else self.gradient if self.name in GRADIENT else self.response)()
        self.lines += f.ending(self.name)
        return self.end(ok)

    def end(self, ok: bool) -> int:
        if "truncated" in self.failures:
            self.lines = self.lines[: len(self.lines) * 2 // 3]
        if "abnormal" in self.failures:
            print("\n".join(self.lines[: len(self.lines) // 2]))
            return self.abnormal()
        print("\n".join(self.lines))
        if ok and "actual" not in self.failures:
            self.step("last step")
        print(f" {self.name} ended {'normally' if ok else 'abnormally'}", file=sys.stderr)
        return 0

    def abnormal(self) -> int:
        print(f" {self.name} ended abnormally", file=sys.stderr)
        return 1

    def step(self, title: str) -> None:
        """Note in control that the program runs, or that it has succeeded."""
        kept = [line for line in i.read("control").splitlines() if not line.startswith(("$actual step", "$last step"))]
        kept.insert(-1, f"${title}      {self.name}")
        Path("control").write_text("\n".join([*kept, ""]))

    def files(self) -> list[str]:
        """Files with orbitals."""
        names = ("uhfmo_alpha", "uhfmo_beta") if self.method["uhf"] else ("scfmo",)
        return [i.entry(self.groups, n)[0].partition("=")[2] for n in names]

    def orbitals(self) -> int | None:
        """Number of the orbitals in their file; None for those of the extended Hückel guess."""
        found = [i.read(name).splitlines()[1].split() for name in self.files()]
        return None if found[0][1] == "guess" else int(found[0][1])

    def scf(self) -> bool:
        uhf, start = self.method["uhf"], self.orbitals()
        result = i.ask("scf", molecule=self.molecule, method=self.method, start=start)
        ok = result["converged"] and "unconverged" not in self.failures
        ok = ok and not (start is not None and "unconverged-from-near" in self.failures)
        self.lines += [*f.atoms(self.elements, self.positions, self.core)]
        self.lines += f.functional(self.method["functional"], self.method["grid"])
        if self.method["dispersion"]:
            self.lines += [f"  DFT-D3 Energy contribution               = {result['dispersion']:16.9f}"]
        occupied = (result["electrons"] + result["unpaired"]) // 2
        self.lines += [f" number of occupied orbitals : {occupied:21d}", " "]
        self.lines += [" UHF mode switched on !", ""] * uhf
        self.lines += f.iterations(result["energies"], result["energy"])
        count = len(result["energies"])
        if ok:
            self.lines += ["", f" convergence criteria satisfied after {count:5d} iterations", ""]
        else:
            self.lines += ["", f"   convergence criteria cannot be satisfied within {count:5d} iterations !", ""]
        self.lines += f.energy_box(result["energy"])
        if not ok:
            self.lines += [
                " ATTENTION : $energy will not be updated since ",
                " this calculation did not converge (sob) ",
                "",
            ]
        self.lines += [f"<S*S>  {result['s2']:13.8f}", ""] if uhf else []
        self.lines += f.moments(result["nuclear"], result["electrons"], result["unpaired"] if uhf else None)
        if ok:
            self.keep(result)
        else:
            self.lines += [f" ATTENTION: {self.name} did not converge! ", ""]
            Path(f"{self.name}_problem").write_text("")
        Path("iterations").write_text(str(count))
        return ok

    def keep(self, result: dict) -> None:
        """Write orbitals and energy, as later programs need them."""
        titles = ("uhfmo_alpha", "uhfmo_beta") if self.method["uhf"] else ("scfmo",)
        for title, name in zip(titles, self.files(), strict=True):
            head = f"${title}    scfconv=8   format(4d20.14)"
            Path(name).write_text(f"{head}\n# {result['orbitals']} {json.dumps(result)}\n$end\n")
        energy, old = result["energy"], Path("energy")
        cycles = [line for line in (old.read_text().splitlines() if old.exists() else []) if line[0] == " "]
        row = f"{len(cycles) + 1:6d}{energy:18.10f}{-energy:18.10f}{2 * energy:18.10f}"
        old.write_text("\n".join(["$energy      SCF               SCFKIN            SCFPOT", *cycles, row, "$end", ""]))

    def converged(self) -> dict:
        """What the SCF has left in the file of orbitals."""
        return json.loads(i.read(self.files()[0]).splitlines()[1].split(None, 2)[2])

    def gradient(self) -> bool:
        scf = self.converged()
        result = i.ask("gradient", orbitals=scf["orbitals"])
        if self.name == "grad":
            self.lines += f.atoms(self.elements, self.positions, self.core)
        title = "cartesian gradient of the energy (hartree/bohr)"
        self.lines += f.gradient_table(self.elements, result, title)
        self.write_gradient("SCF", scf["energy"], result)
        return True

    def write_gradient(self, what: str, energy: float, gradient: list[list[float]]) -> None:
        path = Path("gradient")
        old = [line for line in (path.read_text().splitlines() if path.exists() else []) if not line.startswith("$")]
        number = sum(line.startswith("  cycle") for line in old) + 1
        place = self.positions
        if "stale" in self.failures:
            # The file of a geometry before; this run adds nothing.
            place, energy = [[x * 1.1 for x in p] for p in place], energy + 0.1
        if "other-gradient" in self.failures:
            gradient = [[1.1 * x for x in row] for row in gradient]
        cycle = f.gradient_cycle(number, what, energy, self.elements, place, gradient)
        path.write_text("\n".join(["$grad          cartesian gradients", *old, *cycle, "$end", ""]))

    def response(self) -> bool:
        scf = self.converged()
        kind, number = i.entry(self.groups, "scfinstab")[0], int(i.entry(self.groups, "soes")[1][0].split()[1])
        request = {"orbitals": scf["orbitals"], "response": kind, "number": number}
        result = i.ask("states", **request)
        self.lines += f.atoms(self.elements, self.positions, self.core)
        limit = 10.0 ** -int(i.entry(self.groups, "rpaconv")[0])
        self.lines += [f" residuum convergence criterium   :{f.fortran(limit, 2, 10).replace('D', 'E')}", "", ""]
        self.lines += [f" {KINDS[kind]}-EXCITATION-CALCULATION ", ""]
        self.lines += f.functional(self.method["functional"], self.method["grid"])
        ok = result["converged"] and "unconverged" not in self.failures
        self.lines += f.solution(result["excitations"], "Eigenvalue", limit, ok)
        if not ok:
            return False
        self.lines += f.ground_state(scf)
        for k, (energy, dipole) in enumerate(zip(result["excitations"], result["dipoles"], strict=True), 1):
            spin = {"s": "singlet ", "t": "triplet "}.get(kind[-1] if kind[0] != "u" else "", "")
            self.lines += f.state(f"{k} {spin}a excitation", scf["energy"], energy, dipole)
        if self.name == "egrad":
            self.state_gradient(request, result, scf)
        return True

    def state_gradient(self, request: dict, states: dict, scf: dict) -> None:
        limit, chosen = 10.0 ** -int(i.entry(self.groups, "rpaconv")[0]), i.entry(self.groups, "exopt")[0]
        if not chosen:
            self.lines += [" Data group $exopt missing or empty", f" Default state chosen: {request['number']:3d}", ""]
        state = int(chosen or request["number"])
        state = state % request["number"] + 1 if "state" in self.failures else state
        result = i.ask("state_gradient", **request, state=state)
        self.lines += [f" Excited state no. {state:4d} chosen for optimization", "", ""]
        self.lines += f.solution([0.0], "Frequency", limit, True)
        title = "cartesian gradient of the energy (hartree/bohr)"
        self.lines += f.gradient_table(self.elements, result, title)
        self.write_gradient("ex. state", scf["energy"] + states["excitations"][state - 1], result)


if __name__ == "__main__":
    with Path(os.environ["STANDIN_CALLS"]).open("a") as calls:
        calls.write(f"{sys.argv[1]}\n")
    sys.exit(define.run() if sys.argv[1] == "define" else Program(sys.argv[1]).run())
