"""Small committees on small systems, answered as the engine would."""

from __future__ import annotations

import numpy as np
from pal_core.data import Batch, Committee
from pal_core.kernels import Feedback

from pal_ase.bias_options import ENERGY_WITH_FORCES
from pal_ase.schema import LABEL


class Pair:
    """Two atoms whose energy is a function of their distance, given with its derivative."""

    def __init__(self, function):
        self.function = function

    def predict(self, sample):
        arm = sample["positions"][1] - sample["positions"][0]
        distance = np.linalg.norm(arm)
        energy, slope = self.function(distance)
        pull = slope * arm / distance
        return {"energy": np.array(energy), "forces": np.stack([pull, -pull])}


class Tethers:
    """Every atom bound to its place by a spring."""

    def __init__(self, places, stiffness=5.0):
        self.places, self.stiffness = places, stiffness

    def predict(self, sample):
        arm = sample["positions"] - self.places
        return {"energy": np.array(0.5 * self.stiffness * (arm**2).sum()), "forces": -self.stiffness * arm}


def committee_of(sample, members) -> Committee:
    return Committee([Batch.from_samples(LABEL, [member.predict(sample)]) for member in members])


def answer(sample, members) -> Feedback:
    """Mean, deviation and covariance over the members, by the core's own statistics."""
    committee = committee_of(sample, members)
    (covariance,) = committee.covariances([ENERGY_WITH_FORCES])[0].values()
    return Feedback(committee.mean[0], committee.std[0], 0.0, True, False, 1, {ENERGY_WITH_FORCES: covariance})


def quick_answer(sample, members) -> Feedback:
    """As `answer`, for one or two members, without the core: for many steps."""
    found = [member.predict(sample) for member in members]
    one, other = found[0], found[-1]
    mean = {name: (one[name] + other[name]) / 2 for name in one}
    std = {name: np.abs(one[name] - other[name]) / np.sqrt(2) for name in one}
    covariance = (one["energy"] - other["energy"]) * (one["forces"] - other["forces"]) / 2
    return Feedback(mean, std, 0.0, True, False, 1, {ENERGY_WITH_FORCES: covariance})


def walk(walker, members, steps, measure):
    """Play a walker for some steps; what `measure(sample)` says of every proposal."""
    found, feedback = [], None
    for _ in range(steps):
        sample = walker.propose(feedback)
        found.append(measure(sample))
        feedback = quick_answer(sample, members)
    return np.array(found)


def distance(sample) -> float:
    return float(np.linalg.norm(sample["positions"][1] - sample["positions"][0]))
