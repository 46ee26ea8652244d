"""Contract of generators."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from pal_core.data import Field
from pal_core.kernels import Feedback, Proposal, Sample, Stop
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import check_fits, check_state, copied, same

__all__ = ["GeneratorContract", "samples_of"]

Turn = list[dict[str, NDArray[Any]]]
"""Samples of one turn, one as a rule."""
Answer = Feedback | tuple[Feedback, ...]


class GeneratorContract(KernelContract):
    """Tests that a walker is reproducible, fits its interface and survives a restart.

    Attributes
    ----------
    steps : int
        Proposals per test.
    stochastic : bool
        False for walkers whose proposals don't depend on seed and index (a plain optimiser).

    Examples
    --------
    >>> class TestLangevin(GeneratorContract):
    ...     plugin = "pal_ase.plugin"
    ...     name = "ase.langevin"
    ...     steps = 8
    ...
    ...     def option_values(self):
    ...         ase.io.write(self.directory / "start.xyz", molecule("CH3CH2OH"))
    ...         return {"structure": self.directory / "start.xyz", "temperature": 300}
    ...
    ...     def feedback(self, sample):
    ...         energy, forces = springs(sample["positions"])
    ...         return self.feedback_of({"energy": energy, "forces": forces})
    """

    role: ClassVar[Role] = Role.GENERATOR
    steps: ClassVar[int] = 5
    stochastic: ClassVar[bool] = True

    def feedback(self, sample: Sample) -> Feedback:
        """What a committee would say of `sample`: by default zero for every field, trusted.

        Must depend on `sample` alone.
        """
        fields = self.interface().consumes.values()
        return self.feedback_of({f.name: np.zeros(self._shape(f, sample), f.dtype) for f in fields})

    def feedback_of(self, mean: dict[str, NDArray[Any]], trusted: bool = True) -> Feedback:
        """Feedback with this mean, a standard deviation of a hundredth of it and a score of 0.01."""
        mean = {name: np.array(value, np.float64) for name, value in mean.items()}
        std = {name: np.abs(value) / 100 for name, value in mean.items()}
        return Feedback(mean, std, score=0.01, trusted=trusted, selected=not trusted, version=1)

    def _shape(self, field: Field, sample: Sample) -> tuple[int, ...]:
        if field.ragged is None:
            return field.inner
        twins = [f.name for f in self.interface().produces.values() if f.ragged == field.ragged]
        assert twins, f"the walker reads {field}, but its samples have no dimension {field.ragged!r}"
        return (len(sample[twins[0]]), *field.inner)

    def walk(
        self, walker: Any, steps: int, feedback: Answer | None = None, bootstrap: bool = False
    ) -> tuple[list[Turn], Answer | None]:
        """Copies of the next `steps` proposals, fewer if the walker stops, and the feedback due to the last one.

        A proposal is a list of samples, of one where the walker doesn't propose several. `feedback` answers the
        proposal before; None for a new or restored walker.
        """
        proposals: list[Turn] = []
        for _ in range(steps):
            proposal = walker.propose(feedback)
            _spoil(feedback)
            if isinstance(proposal, Stop):
                break
            samples = samples_of(proposal)
            assert samples, "a proposal without any sample"
            for sample in samples:
                check_fits(sample, self.interface().produces, f"a proposal of {self.name}")
            if bootstrap:
                walker.bootstrap()
            proposals.append([copied(sample) for sample in samples])
            feedback = self.answer(proposal)
        return proposals, feedback

    def answer(self, proposal: Any) -> Answer:
        """Feedback on a proposal: on a sample one, on a sequence as many."""
        feedbacks = tuple(self.feedback(copied(sample)) for sample in samples_of(proposal))
        return feedbacks[0] if isinstance(proposal, Mapping | Proposal) else feedbacks

    def walked(self, index: int = 0, seed: int | None = None, bootstrap: bool = False) -> list[Turn]:
        """The first `steps` proposals of a new walker."""
        return self.walk(self.make(index, seed), self.steps, bootstrap=bootstrap)[0]

    def test_proposals_have_the_fields_of_the_interface(self) -> None:
        proposals = self.walked()
        assert proposals, "the walker stopped before its first proposal"
        assert all(_finite(sample) for turn in proposals for sample in turn), "a proposal is not finite"

    def test_same_seed_and_index_give_the_same_walk(self) -> None:
        first, second = self.walked(index=3), self.walked(index=3)
        assert _equal(first, second), "two walkers of one seed and index went different ways"

    def test_other_seed_or_index_gives_another_walk(self) -> None:
        if not self.stochastic:
            pytest.skip(f"{self.name} is declared deterministic (stochastic = False)")
        walk = self.walked()
        assert not _equal(walk, self.walked(index=1)), "walkers 0 and 1 go the same way"
        assert not _equal(walk, self.walked(seed=99)), "two seeds give the same walk"

    def test_proposals_are_not_overwritten(self) -> None:
        walker = self.make()
        proposal = walker.propose(None)
        kept = [copied(sample) for sample in samples_of(proposal)]
        walker.propose(self.answer(proposal))
        assert _equal([samples_of(proposal)], [kept]), "a later step changed an earlier proposal"

    def test_goes_on_after_a_prediction_that_is_not_finite(self) -> None:
        walker = self.make()
        proposal = walker.propose(None)
        for _ in range(self.steps):
            answer = self.answer(proposal)
            broken = _broken(answer) if isinstance(answer, Feedback) else tuple(map(_broken, answer))
            proposal = walker.propose(broken)
            if isinstance(proposal, Stop):
                return
            assert all(map(_finite, samples_of(proposal))), "after a NaN prediction the walker proposes NaN"

    def test_bootstrap_samples_fit_and_differ(self) -> None:
        self.needs("bootstrap")
        walker = self.make()
        samples = [copied(walker.bootstrap()) for _ in range(3)]
        for sample in samples:
            check_fits(sample, self.interface().produces, f"a bootstrap sample of {self.name}")
            assert _finite(sample), "a bootstrap sample is not finite"
        assert not same(samples[0], samples[1]), "two bootstrap samples in a row are the same"
        other = copied(self.make(index=1).bootstrap())
        assert not same(samples[0], other), "walkers 0 and 1 give the same bootstrap sample"
        assert same(samples[0], copied(self.make().bootstrap())), "bootstrap samples are not reproducible"

    def test_bootstrap_does_not_disturb_the_walk(self) -> None:
        self.needs("bootstrap")
        assert _equal(self.walked(bootstrap=True), self.walked()), "bootstrap changed the walk"

    def test_missing_bootstrap_says_so(self) -> None:
        if "bootstrap" in self.spec().capabilities:
            pytest.skip(f"{self.name} declares the capability 'bootstrap'")
        with pytest.raises(NotImplementedError):
            self.make().bootstrap()

    def test_snapshot_is_plain_and_a_copy(self) -> None:
        self.needs("snapshot")
        walker = self.make()
        feedback = self.walk(walker, 2)[1]
        state = walker.snapshot()
        check_state(state, f"the snapshot of {self.name}")
        kept = copied(state)
        self.walk(walker, 1, feedback)
        assert same(state, kept), "a later step changed an earlier snapshot"

    @pytest.mark.parametrize("before", [0, 1, 4])
    def test_restored_walker_goes_on_exactly(self, before: int) -> None:
        """It repeats the proposal that was outstanding, whose feedback was lost, and then takes the same way."""
        self.needs("snapshot")
        walker = self.make()
        walked, feedback = self.walk(walker, before)
        state = copied(walker.snapshot())
        outstanding = max(len(walked) - 1, 0)
        steps = self.steps + (not walked)
        walked += self.walk(walker, steps, feedback)[0]
        twin = self.make()
        twin.restore(state)
        resumed = self.walk(twin, len(walked) - outstanding)[0]
        assert resumed, "the restored walker stopped at once"
        assert _equal(resumed[:1], walked[outstanding : outstanding + 1]), (
            f"restored after {before} proposals, the walker doesn't repeat the one that was outstanding"
        )
        assert _equal(resumed, walked[outstanding:]), (
            f"restored after {before} proposals, the walker takes another way than without restart"
        )
        assert same(copied(twin.snapshot()), copied(walker.snapshot())), "its snapshots differ later on"
        if "bootstrap" in self.spec().capabilities:
            assert same(copied(twin.bootstrap()), copied(walker.bootstrap())), "its bootstrap samples differ later on"


def samples_of(proposal: Any) -> list[Sample]:
    """Samples of a proposal, one or several."""
    parts = [proposal] if isinstance(proposal, Mapping | Proposal) else list(proposal)
    return [part.sample if isinstance(part, Proposal) else part for part in parts]


def _equal(a: Sequence[Sequence[Sample]], b: Sequence[Sequence[Sample]]) -> bool:
    return [len(turn) for turn in a] == [len(turn) for turn in b] and all(
        same(x, y) for turn, other in zip(a, b, strict=True) for x, y in zip(turn, other, strict=True)
    )


def _broken(feedback: Feedback) -> Feedback:
    """As of a committee that has gone mad."""
    nothing = {name: np.full_like(value, np.nan) for name, value in feedback.mean.items()}
    return Feedback(nothing, nothing, np.nan, trusted=False, selected=True, version=1)


def _finite(sample: Sample) -> bool:
    return all(bool(np.isfinite(value).all()) for value in sample.values())


def _spoil(feedback: Answer | None) -> None:
    """Overwrite feedback that has been answered, as the engine's buffers are."""
    for one in (feedback,) if isinstance(feedback, Feedback) else feedback or ():
        for value in (*one.mean.values(), *one.std.values()):
            np.asarray(value)[...] = np.nan
