"""Contract of selections."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from typing import ClassVar

import numpy as np
import pytest

from pal_core.data import Batch, Committee, Field, Schema
from pal_core.kernels import Decision
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import check_state, copied, random_batch, same

__all__ = ["SelectionContract"]


class SelectionContract(KernelContract):
    """Tests that a selection judges batches of any size and is not fooled by numbers that aren't finite.

    Attributes
    ----------
    samples : Schema
        Fields of the samples that are judged.
    predictions : Schema
        Predicted fields; must hold what the selection's options name.

    Examples
    --------
    >>> class TestThreshold(SelectionContract):
    ...     plugin = "pal_core.builtin.plugin"
    ...     name = "pal.threshold"
    ...     options = {"field": "forces", "upper": 0.15}
    """

    role: ClassVar[Role] = Role.SELECTION
    samples: ClassVar[Schema] = Schema([Field("positions", "float64", ("atoms", 3), "Å")])
    predictions: ClassVar[Schema] = Schema(
        [Field("energy", "float64", (), "eV"), Field("forces", "float64", ("atoms", 3), "eV/Å")]
    )

    def judged(self, counts: list[int], members: int = 3) -> tuple[Batch, Committee]:
        """Random samples of these numbers of atoms, and what the members say of them."""
        rng = np.random.default_rng(len(counts))
        batch = random_batch(self.samples, rng, counts)
        return batch, Committee([random_batch(self.predictions, rng, counts) for _ in range(members)], version=1)

    def _check_shapes(self, decision: Decision, n: int) -> None:
        for name, dtype in (("label", np.bool_), ("trust", np.bool_), ("score", np.float64)):
            value = getattr(decision, name)
            assert isinstance(value, np.ndarray), f"{name} is {type(value).__name__}, not an array"
            assert value.dtype == dtype, f"{name} is {value.dtype}, {np.dtype(dtype)} is wanted"
            assert value.shape == (n,), f"{name} has shape {value.shape} for {n} samples"

    @pytest.mark.parametrize("counts", [[], [3], [0], [3, 1, 4, 0, 5]], ids=["empty", "one", "no atoms", "several"])
    def test_decision_has_an_entry_per_sample(self, counts: list[int]) -> None:
        self._check_shapes(self.make().select(*self.judged(counts)), len(counts))

    def test_committee_of_one_is_judged(self) -> None:
        self._check_shapes(self.make().select(*self.judged([3, 2], members=1)), 2)

    @pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
    @pytest.mark.parametrize("everyone", [False, True], ids=["one member", "all members"])
    def test_prediction_that_is_not_finite_is_not_trusted(self, value: float, everyone: bool) -> None:
        batch, committee = self.judged([3, 1, 4])
        for member in committee.members if everyone else committee.members[1:2]:
            for array in member[1].values():
                if array.dtype.kind == "f":
                    array[...] = value
        decision = self.make().select(batch, committee)
        self._check_shapes(decision, 3)
        assert not decision.trust[1], f"a sample predicted to be {value} is trusted"

    def test_same_seed_gives_the_same_decisions(self) -> None:
        first, second = (self.make().select(*self.judged([3, 1, 4, 2])) for _ in range(2))
        assert same(vars(first), vars(second)), "two selections of one seed judged differently"

    def test_restored_selection_decides_as_the_original(self) -> None:
        original, twin = self.make(), self.make()
        original.select(*self.judged([3, 1]))
        state = original.snapshot()
        check_state(state, f"the snapshot of {self.name}")
        kept = copied(state)
        wanted = [original.select(*self.judged([2] * n)) for n in (3, 4)]
        assert same(state, kept), "a later decision changed an earlier snapshot"
        twin.restore(kept)
        found = [twin.select(*self.judged([2] * n)) for n in (3, 4)]
        assert all(same(vars(a), vars(b)) for a, b in zip(found, wanted, strict=True)), (
            "the restored selection judges otherwise than the original would have"
        )

    def test_batch_and_committee_stay_as_they_are(self) -> None:
        batch, committee = self.judged([3, 1, 4])
        before = [copied(part.columns) for part in (batch, *committee.members)]
        selection = self.make()
        selection.select(batch, committee)
        selection.rerank(batch, committee)
        for part, columns in zip((batch, *committee.members), before, strict=True):
            assert same(part.columns, columns), "the selection changed what it judged"

    @pytest.mark.parametrize("counts", [[], [3], [3, 1, 4, 1, 5, 9]], ids=["empty", "one", "several"])
    def test_reranking_returns_indices_of_the_queue(self, counts: list[int]) -> None:
        order = self.make().rerank(*self.judged(counts))
        assert order.dtype == np.int64, f"indices are {order.dtype}, int64 is wanted"
        assert order.ndim == 1, f"indices have shape {order.shape}, one dimension is wanted"
        assert len(np.unique(order)) == len(order), f"an index occurs twice: {order}"
        assert set(order.tolist()) <= set(range(len(counts))), f"{order} are not all indices of {len(counts)} samples"
