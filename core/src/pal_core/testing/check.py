"""Contract of label checks."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from pal_core.kernels import Expected, Label, Sample
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import check_state, copied, frozen, same

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

    A check that compares with earlier labels names some good ones in `history`; one that reads what the committee
    expected overrides `expected`.
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

    def history(self) -> Sequence[tuple[Sample, Label]]:
        """Good labels of other samples that the check has seen before; none by default."""
        return ()

    def expected(self, sample: Sample, label: Label) -> Expected | None:
        """What a committee said of `sample`, whose true label is `label`; nothing by default."""
        return None

    def informed(self) -> Any:
        """The check after its `history`."""
        check = self.make()
        for sample, label in self.history():
            found = check.check(frozen(sample), frozen(label), self.expected(sample, label))
            assert found is None, f"a good label of the history was refused: {found}"
            check.remember(frozen(sample), frozen(label))
        return check

    def verdict(self, check: Any, label: Label) -> Any:
        """What `check` says of `label` as that of `sample`."""
        sample = self.sample()
        return check.check(frozen(sample), frozen(label), self.expected(sample, self.label()))

    def test_good_label_passes(self) -> None:
        found = self.verdict(self.informed(), self.label())
        assert found is None, f"a good label was refused: {found}"

    def test_planted_defects_get_a_reason(self) -> None:
        check = self.informed()
        for fault, label in self.defects().items():
            reason = self.verdict(check, label)
            assert isinstance(reason, str), f"the fault {fault!r} was not found, the answer is {reason!r}"
            assert reason.strip(), f"no reason is given for the fault {fault!r}"

    def test_good_label_passes_after_faulty_ones(self) -> None:
        check = self.informed()
        for label in self.defects().values():
            self.verdict(check, label)
        found = self.verdict(check, self.label())
        assert found is None, f"after faulty labels a good one was refused: {found}"

    def test_restored_check_judges_as_the_original(self) -> None:
        original, twin = self.informed(), self.make()
        state = original.snapshot()
        check_state(state, f"the snapshot of {self.name}")
        kept = copied(state)
        labels = [*self.defects().values(), self.label()]
        wanted = [self.verdict(original, label) for label in labels]
        assert same(state, kept), "a later label changed an earlier snapshot"
        twin.restore(kept)
        found = [self.verdict(twin, label) for label in labels]
        assert found == wanted, f"the restored check says {found}, the original says {wanted}"

    def test_sample_and_label_stay_as_they_are(self) -> None:
        check, sample = self.informed(), copied(self.sample())
        for label in (self.label(), *self.defects().values()):
            mine = copied(label)
            check.check(sample, mine, self.expected(sample, self.label()))
            check.remember(sample, mine)
            assert same(mine, label), "the check changed the label"
            assert same(sample, self.sample()), "the check changed the sample"
