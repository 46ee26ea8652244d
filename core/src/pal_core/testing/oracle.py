"""Contract of oracles."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
import pytest

from pal_core.kernels import Label, OracleFailure, Sample
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import check_fits, copied, frozen, same

__all__ = ["OracleContract"]


class OracleContract(KernelContract, ABC):
    """Tests that an oracle labels what it can and refuses what it can't.

    Attributes
    ----------
    tolerance : float
        Largest difference of two labels of one sample, relative to the largest value of the field.

    Examples
    --------
    >>> class TestGfn2(OracleContract):
    ...     plugin = "pal_xtb.plugin"
    ...     name = "xtb.gfn2"
    ...     options = {"electronic_temperature": 300}
    ...
    ...     def samples(self):
    ...         return [water(), ethanol()]
    """

    role: ClassVar[Role] = Role.ORACLE
    tolerance: ClassVar[float] = 1e-8

    @abstractmethod
    def samples(self) -> Sequence[Sample]:
        """Two or more different samples that the oracle can label, quick ones."""

    def spoiled(self) -> Sample:
        """A sample that can't be labelled: by default the first one with NaN in its first floating field."""
        sample = copied(self.samples()[0])
        for name, field in self.interface().consumes.items():
            if field.dtype.startswith("float") and sample[name].size:
                sample[name][...] = np.nan
                return sample
        pytest.skip(f"{self.name} reads no floating field that could be NaN")

    def test_label_has_the_fields_of_the_interface(self) -> None:
        oracle, wanted = self.make(), self.interface().produces
        for sample in self.samples():
            label = oracle.label(frozen(sample))
            check_fits(label, wanted, f"the label of {self.name}")
            for name, value in label.items():
                assert np.isfinite(value).all(), f"{name!r} of the label is not finite"

    def test_inspection_passes_what_can_be_labelled(self) -> None:
        oracle = self.make()
        for sample in self.samples():
            oracle.inspect(frozen(sample))

    def test_label_depends_on_the_sample_only(self) -> None:
        samples = self.samples()
        assert len(samples) > 1, "samples() gives one sample, two or more are wanted"
        oracle = self.make()
        forward = [copied(oracle.label(s)) for s in samples]
        backward = [copied(oracle.label(s)) for s in reversed(samples)][::-1]
        elsewhere = [copied(self.make(index=1, seed=11).label(s)) for s in samples]
        for first, *others in zip(forward, backward, elsewhere, strict=True):
            for other in others:
                self._check_close(first, other)

    def _check_close(self, a: Label, b: Label) -> None:
        for name, value in a.items():
            scale = float(np.abs(value).max(initial=0.0))
            np.testing.assert_allclose(b[name], value, rtol=0, atol=self.tolerance * scale, err_msg=name)

    def test_labels_are_not_overwritten(self) -> None:
        oracle, samples = self.make(), self.samples()
        first = oracle.label(samples[0])
        kept = copied(first)
        oracle.label(samples[1])
        assert same(first, kept), "labelling another sample changed an earlier label"

    def test_sample_stays_as_it_is(self) -> None:
        oracle = self.make()
        for sample in self.samples():
            mine = copied(sample)
            oracle.label(mine)
            assert same(mine, copied(sample)), "the oracle changed the sample"

    def test_non_finite_sample_is_invalid_input(self) -> None:
        oracle = self.make()
        with pytest.raises(OracleFailure) as caught:
            oracle.label(self.spoiled())
        assert caught.value.kind == "invalid_input", f"the failure is {caught.value.kind!r}, not 'invalid_input'"
        assert caught.value.message.strip(), "the failure has no message"

    def test_goes_on_after_a_failure(self) -> None:
        oracle, sample = self.make(), self.samples()[0]
        before = copied(oracle.label(sample))
        with pytest.raises(OracleFailure):
            oracle.label(self.spoiled())
        self._check_close(before, oracle.label(sample))
