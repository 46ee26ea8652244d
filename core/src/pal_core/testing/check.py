"""Contract of label checks."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import ClassVar

from pal_core.kernels import Label, Sample
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import copied, frozen, same

__all__ = ["LabelCheckContract"]


class LabelCheckContract(KernelContract, ABC):
    """Tests that a label check admits a good label and finds planted defects.

    Examples
    --------
    >>> class TestNetForce(LabelCheckContract):
    ...     plugin = "pal_ase.plugin"
    ...     name = "ase.net-force"
    ...     options = {"limit": 0.01}
    ...
    ...     def sample(self):
    ...         return water()
    ...
    ...     def label(self):
    ...         return {"energy": np.array(-14.2), "forces": np.zeros((3, 3))}
    ...
    ...     def defects(self):
    ...         return {"all pulled along x": {"energy": np.array(-14.2), "forces": np.ones((3, 3))}}
    """

    role: ClassVar[Role] = Role.CHECK

    @abstractmethod
    def sample(self) -> Sample:
        """A sample that `label` belongs to."""

    @abstractmethod
    def label(self) -> Label:
        """A label without fault."""

    @abstractmethod
    def defects(self) -> Mapping[str, Label]:
        """Faulty labels of `sample`, by a name for the fault."""

    def test_good_label_passes(self) -> None:
        found = self.make().check(frozen(self.sample()), frozen(self.label()))
        assert found is None, f"a good label was refused: {found}"

    def test_planted_defects_get_a_reason(self) -> None:
        check = self.make()
        for fault, label in self.defects().items():
            reason = check.check(frozen(self.sample()), frozen(label))
            assert isinstance(reason, str), f"the fault {fault!r} was not found, the answer is {reason!r}"
            assert reason.strip(), f"no reason is given for the fault {fault!r}"

    def test_verdict_does_not_depend_on_earlier_labels(self) -> None:
        check = self.make()
        for label in self.defects().values():
            check.check(self.sample(), label)
        found = check.check(self.sample(), self.label())
        assert found is None, f"after faulty labels a good one was refused: {found}"

    def test_sample_and_label_stay_as_they_are(self) -> None:
        check, sample = self.make(), copied(self.sample())
        for label in (self.label(), *self.defects().values()):
            mine = copied(label)
            check.check(sample, mine)
            assert same(mine, label), "the check changed the label"
            assert same(sample, self.sample()), "the check changed the sample"
