"""The contract of oracles finds oracles that break it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pal_core.builtin.oracle import ToyOracle
from pal_core.kernels import OracleFailure
from pal_core.testing import OracleContract


class Oracles(OracleContract):
    plugin = "pal_core.builtin.plugin"
    name = "pal.toy-oracle"
    kernel = ToyOracle

    def make(self, index=0, seed=None, role=None):
        return self.kernel(self.kernel_options(), self.context(index, seed, role))

    def samples(self):
        return [{"x": np.array([0.1, 0.2])}, {"x": np.array([-0.5, 1.4])}]


def run_test(contract, kernel, test: str, directory: Path, *arguments):
    subject = type("Subject", (contract,), {"kernel": kernel})()
    subject.open_workplace(directory)
    getattr(subject, test)(*arguments)


class LeavesOutTheGradient(ToyOracle):
    def label(self, sample):
        return {"energy": super().label(sample)["energy"]}


class RefusesEverything(ToyOracle):
    def inspect(self, sample):
        if np.isfinite(sample["x"]).all() and sample["x"][0] < 0:
            raise OracleFailure("invalid_input", "left of the origin")


class RemembersTheLastSample(ToyOracle):
    last = 0.0

    def label(self, sample):
        out = super().label(sample)
        out["energy"] = out["energy"] + self.last
        self.last = float(sample["x"][0])
        return out


class ReusesItsLabel(ToyOracle):
    def label(self, sample):
        self.buffer = getattr(self, "buffer", np.zeros(2))
        self.buffer[:] = super().label(sample)["gradient"]
        return {**super().label(sample), "gradient": self.buffer}


class MovesTheSample(ToyOracle):
    def label(self, sample):
        out = super().label(sample)
        sample["x"][...] = 0.0
        return out


class LabelsAnything(ToyOracle):
    def inspect(self, sample):
        pass


class BlamesConvergence(ToyOracle):
    def inspect(self, sample):
        if not np.isfinite(sample["x"]).all():
            raise OracleFailure("unconverged", "no luck")


class BreaksAfterAFailure(ToyOracle):
    broken = False

    def label(self, sample):
        self.broken = self.broken or not np.isfinite(sample["x"]).all()
        out = super().label(sample)
        return {**out, "energy": np.array(0.0)} if self.broken else out


@pytest.mark.parametrize(
    ("kernel", "test", "complaint"),
    [
        (LeavesOutTheGradient, "test_label_has_the_fields_of_the_interface", r"\['energy'\].*'gradient'"),
        (RemembersTheLastSample, "test_label_depends_on_the_sample_only", "energy"),
        (ReusesItsLabel, "test_labels_are_not_overwritten", "changed an earlier label"),
        (MovesTheSample, "test_sample_stays_as_it_is", "the oracle changed the sample"),
        (BlamesConvergence, "test_non_finite_sample_is_invalid_input", "is 'unconverged', not 'invalid_input'"),
        (BreaksAfterAFailure, "test_goes_on_after_a_failure", "energy"),
    ],
)
def test_faulty_oracle_is_found(kernel, test, complaint, tmp_path):
    run_test(Oracles, ToyOracle, test, tmp_path)
    with pytest.raises(AssertionError, match=complaint):
        run_test(Oracles, kernel, test, tmp_path)


def test_oracle_that_labels_nonsense_is_found(tmp_path):
    with pytest.raises(pytest.fail.Exception, match="DID NOT RAISE"):
        run_test(Oracles, LabelsAnything, "test_non_finite_sample_is_invalid_input", tmp_path)


def test_oracle_that_refuses_good_samples_is_found(tmp_path):
    with pytest.raises(OracleFailure, match="left of the origin"):
        run_test(Oracles, RefusesEverything, "test_inspection_passes_what_can_be_labelled", tmp_path)


def test_kernel_that_the_plugin_does_not_list_is_named(tmp_path):
    subject = type("Subject", (Oracles,), {"name": "pal.no-oracle"})()
    with pytest.raises(AssertionError, match=r"pal_core.builtin.plugin has no kernel 'pal.no-oracle' \(it has: pal"):
        subject.spec()


def test_kernel_of_another_role_is_named():
    subject = type("Subject", (Oracles,), {"name": "pal.toy-walker"})()
    with pytest.raises(AssertionError, match="has the role 'generator', this contract is for 'oracle'"):
        subject.test_target_is_a_kernel_of_its_role()
