"""What the stand-ins for Turbomole's programs compute, by PySCF, in the process of the tests.

The programs are small scripts that start fast; they send what they have read from their input over a socket. Results
are kept for all tests of a session.
"""

from __future__ import annotations

import contextlib
import json
import socketserver
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from pyscf import dft, gto, scf, tddft

# Turbomole's names, in its manual's words, by functionals of libxc.
FUNCTIONALS = {
    "b3-lyp": "0.2*HF + 0.08*SLATER + 0.72*B88, 0.81*LYP + 0.19*VWN5",
    "b3-lyp_Gaussian": "0.2*HF + 0.08*SLATER + 0.72*B88, 0.81*LYP + 0.19*VWN3",
    "b-p": "B88, P86",
    "pbe": "PBE, PBE",
    "pbe0": "PBE0",
    "tpss": "TPSS, TPSS",
    "bmk": "HYB_MGGA_X_BMK, GGA_C_BMK",
}
GRIDS = {"m3": 2, "m4": 3, "m5": 4, "7": 5}


class Chemistry:
    """Answers requests of the stand-ins; the same request is computed once."""

    def __init__(self) -> None:
        self._answers: dict[str, dict[str, Any]] = {}
        self._solved: list[Any] = []
        self._lock = threading.Lock()

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        key = json.dumps(request, sort_keys=True)
        with self._lock:
            if key not in self._answers:
                self._answers[key] = getattr(self, request.pop("job"))(**request)
            return self._answers[key]

    def library(self, element: str, name: str, ecp: bool) -> dict[str, Any]:
        """Whether there is a basis set or core potential, and how many electrons the latter stands for."""
        try:
            load = gto.basis.load_ecp if ecp else gto.basis.load
            core = load(_family(name) if ecp else name, element.capitalize())
        except Exception:  # PySCF and basis-set-exchange raise many kinds
            return {"known": False, "core": 0}
        return {"known": bool(core), "core": core[0] if ecp else 0}

    def scf(self, molecule: dict[str, Any], method: dict[str, Any], start: int | None) -> dict[str, Any]:
        mf = mean_field(molecule, method)
        energies: list[float] = []
        mf.callback = lambda e: energies.append(float(e["e_tot"]))
        mf.kernel(None if start is None else self._solved[start].make_rdm1())
        self._solved.append(mf)
        alpha, beta = mf.mol.nelec
        return {
            "energy": float(mf.e_tot),
            "energies": energies or [float(mf.e_tot)],
            "converged": bool(mf.converged),
            "nuclear": int(mf.mol.atom_charges().sum()),
            "electrons": alpha + beta,
            "unpaired": alpha - beta,
            "s2": float(mf.spin_square()[0]) if method["uhf"] else None,
            "dispersion": float(mf.scf_summary.get("dispersion", 0.0)) if method["dispersion"] else None,
            "orbitals": len(self._solved) - 1,
        }

    def gradient(self, orbitals: int) -> list[list[float]]:
        return _gradient(self._solved[orbitals].nuc_grad_method().kernel())

    def states(self, orbitals: int, response: str, number: int) -> dict[str, Any]:
        td = self._response(orbitals, response, number)
        return {
            "excitations": [float(e) for e in td.e[:number]],
            "dipoles": np.asarray(td.transition_dipole())[:number].tolist(),
            "converged": bool(np.all(td.converged[:number])),
        }

    def state_gradient(self, orbitals: int, response: str, number: int, state: int) -> list[list[float]]:
        td = self._response(orbitals, response, number)
        return _gradient(td.nuc_grad_method().kernel(state=state))

    def _response(self, orbitals: int, response: str, number: int) -> Any:
        mf = self._solved[orbitals]
        td = tddft.TDA(mf) if "cis" in response else tddft.TDDFT(mf)
        td.singlet = not response.endswith("t")
        td.nstates, td.conv_tol, td.verbose = number, 1e-9, 0
        td.kernel()
        return td


def mean_field(molecule: dict[str, Any], method: dict[str, Any]) -> Any:
    """A PySCF object for what stands in coord and control."""
    elements = [e.capitalize() for e in molecule["elements"]]
    mol = gto.M(
        atom=list(zip(elements, molecule["positions"], strict=True)),
        unit="bohr",
        # By name, since auxiliary basis sets are found by it.
        basis={e.capitalize(): name for e, name in molecule["basis"].items()},
        ecp={e.capitalize(): _family(name) for e, name in molecule["ecp"].items()},
        charge=molecule["charge"],
        spin=molecule["unpaired"],
        verbose=0,
    )
    if method["functional"] is None:
        mf = scf.UHF(mol) if method["uhf"] else scf.RHF(mol)
    else:
        mf = dft.UKS(mol) if method["uhf"] else dft.RKS(mol)
        mf.xc, mf.grids.level = FUNCTIONALS[method["functional"]], GRIDS[method["grid"]]
    if method["fitting"]:
        mf = mf.density_fit(only_dfj=method["fitting"] == "rij")
    if method["dispersion"]:
        mf.disp = method["dispersion"]
    mf.conv_tol, mf.conv_tol_grad, mf.max_cycle = method["convergence"], method["density"], method["iterations"]
    return mf


def _family(ecp: str) -> str:
    """PySCF names core potentials after basis sets."""
    return f"{ecp.lower().removesuffix('-ecp')}-tzvp"


def _gradient(array: Any) -> list[list[float]]:
    return np.asarray(array).tolist()


@contextlib.contextmanager
def serving(chemistry: Chemistry, path: Path) -> Iterator[None]:
    """Answer requests that come over a socket, one line of JSON each."""

    class Handler(socketserver.StreamRequestHandler):
        def handle(self) -> None:
            try:
                answer = {"answer": chemistry.answer(json.loads(self.rfile.readline()))}
            except Exception as e:
                answer = {"error": f"{type(e).__name__}: {e}"}
            self.wfile.write(json.dumps(answer).encode() + b"\n")

    class Server(socketserver.ThreadingMixIn, socketserver.UnixStreamServer):
        daemon_threads = True

    with Server(str(path), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        try:
            yield
        finally:
            server.shutdown()
