"""Whether a steady flow lasts: the fastest growing disturbance, by Arnoldi's method.

Disturbances v of a flow obey M dv/dt = -J v - ∇p, ∇·v = 0, without a change of the mass flux. One step of the θ-scheme
maps exp(λ t) to the factor μ = (1 + (1 - θ) λ Δt) / (1 - θ λ Δt); with θ a little above 1/2 those that grow have the
greatest |μ|, and the stiffest ones don't get in their way.
"""

from __future__ import annotations

import numpy as np
from scipy.sparse import block_diag
from scipy.sparse.linalg import ArpackNoConvergence, LinearOperator, eigs

from pal_cfd.flow import Flow, FlowProblem, NotConvergedError, Saddle, jacobian
from pal_cfd.shapes import Floats

__all__ = ["fastest"]

_STEP, _THETA = 0.3, 0.6
_MODES, _SPACE, _RESTARTS, _TOLERANCE = 4, 32, 60, 1e-3


def fastest(problem: FlowProblem, flow: Flow) -> tuple[float, Floats]:
    """Growth rate of the fastest growing disturbance, and its shape (nodes, 2), its greatest velocity being 1.

    Raises
    ------
    NotConvergedError
        If Arnoldi's method finds no mode.
    """
    e = problem.elements
    mass = block_diag([e.mass(), e.mass()], format="csr")
    change = jacobian(problem, flow.velocity)
    system = Saddle(problem, mass + _THETA * _STEP * change)
    explicit, nothing = mass - (1 - _THETA) * _STEP * change, np.zeros(e.vertices)
    free = system.free

    def step(v: Floats) -> Floats:
        full = np.zeros(system.size)
        full[free] = v.ravel()
        out: Floats = system.solve(explicit @ full, nothing)[0][free]
        return out

    start = step(np.random.default_rng(0).normal(size=len(free)))
    operator = LinearOperator((len(free), len(free)), matvec=step, dtype=np.float64)
    settings = {"ncv": _SPACE, "maxiter": _RESTARTS, "tol": _TOLERANCE, "v0": start}
    try:
        values, vectors = eigs(operator, k=_MODES, which="LM", **settings)
    except ArpackNoConvergence as error:
        values, vectors = error.eigenvalues, error.eigenvectors
        if not len(values):
            raise NotConvergedError("Arnoldi's method finds no growing disturbance and no decaying one") from error
    rates = (values - 1) / (_STEP * (_THETA * values + 1 - _THETA))
    k = int(np.argmax(rates.real))
    mode = np.zeros(system.size)
    mode[free] = vectors[:, k].real
    return float(rates[k].real), (mode / np.abs(mode).max()).reshape(2, -1).T
