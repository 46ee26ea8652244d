"""Walkers with a made-up committee, and generators of the test's own."""

from __future__ import annotations

import numpy as np
from gest_api import Generator
from pal_core.kernels import Context, Feedback, Proposal


def feedback(value, trusted=True, version=1, std=0.0, field="f"):
    """Of a committee that predicts one number."""
    mean, deviation = {field: np.array(float(value))}, {field: np.array(float(std))}
    return Feedback(mean, deviation, score=std, trusted=trusted, selected=not trusted, version=version)


def context(notes=None, index=0):
    return Context("generator", index, seed=3, note=(notes if notes is not None else []).append)


def places(proposal):
    """Parameters of the samples of a proposal, shape (n, dimensions)."""
    parts = [proposal] if isinstance(proposal, Proposal) else proposal
    return np.array([part.sample["x"] for part in parts])


def wanted(proposal):
    """Which samples want a label."""
    return [part.label for part in proposal]


class Downhill(Generator):
    """Steps of a tenth from the best point it knows; tries every direction in turn."""

    returns_id = True

    def __init__(self, vocs, start=0.5, seed=0):
        super().__init__(vocs)
        self.vocs, self.best, self.number, self.value = vocs, [start] * len(vocs.variable_names), 0, np.inf
        self.rng, self.known, self.ended, self.strangers = np.random.default_rng(seed), {}, False, 0

    def _validate_vocs(self, vocs):
        if len(vocs.objectives) != 1:
            raise ValueError("one objective is wanted")

    def suggest(self, num_points=None):
        out = []
        for _ in range(num_points or 2):
            point = np.clip(self.best + self.rng.choice([-0.1, 0, 0.1], len(self.best)), 0, 1)
            self.number += 1
            self.known[self.number] = point
            out.append({**dict(zip(self.vocs.variable_names, point.tolist(), strict=True)), "_id": self.number})
        return out

    def ingest(self, results):
        (name,) = self.vocs.objective_names
        for row in results:
            self.strangers += "_id" not in row
            if "_id" in row and row["_id"] not in self.known:
                raise ValueError("not one of mine")
            if row.get("excess", 0) <= 0 and row[name] < self.value:
                self.value, self.best = row[name], [row[n] for n in self.vocs.variable_names]

    def finalize(self):
        self.ended = True
