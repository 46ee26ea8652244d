"""Published test functions on the unit cube, with their optima."""

from __future__ import annotations

import numpy as np


def rastrigin(u):
    """L. A. Rastrigin (1974), -5.12 ≤ x ≤ 5.12: 0 at x = 0, among some 10 ** dimensions local minima."""
    x = 10.24 * u - 5.12
    return (10 * x.shape[1] + (x**2 - 10 * np.cos(2 * np.pi * x)).sum(axis=1))[:, None]


def rosenbrock(u):
    """H. H. Rosenbrock, Comput. J. 3, 175 (1960), -2.048 ≤ x ≤ 2.048: 0 at x = 1, in a bent valley."""
    x = 4.096 * u - 2.048
    return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(axis=1)[:, None]


def zdt1(u):
    """E. Zitzler, K. Deb, L. Thiele, Evol. Comput. 8, 173 (2000): the front is f2 = 1 - sqrt(f1)."""
    g = 1 + 9 * u[:, 1:].mean(axis=1)
    return np.stack([u[:, 0], g * (1 - np.sqrt(u[:, 0] / g))], axis=1)
