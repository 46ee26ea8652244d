"""Contract of models."""

# ruff: noqa: S101, D102  asserts are what contract tests are made of; their names say what they test
from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from pal_core.data import Batch
from pal_core.kernels import Epoch, Model
from pal_core.spec import Role
from pal_core.testing.base import KernelContract
from pal_core.testing.helpers import check_state, copied, frozen, same

__all__ = ["ModelContract"]


class ModelContract(KernelContract, ABC):
    """Tests that a model predicts sample by sample, learns, and hands its weights and its training over.

    Attributes
    ----------
    tolerance : float
        Largest difference between predictions that should be the same, relative to the largest value of the field.
    epochs : int
        Epochs after which the error must have fallen.
    improvement : float
        Largest root mean square error after them, relative to that before.
    trainable : bool
        False for a model that only predicts.

    Examples
    --------
    >>> class TestSchnet(ModelContract):
    ...     plugin = "pal_schnet.plugin"
    ...     name = "schnet.committee"
    ...     options = {"features": 16, "layers": 1}
    ...     tolerance = 1e-5
    ...
    ...     def labelled(self):
    ...         return ethanol_frames(20)  # a Batch with sample and label columns
    """

    role: ClassVar[Role] = Role.MODEL
    tolerance: ClassVar[float] = 1e-6
    epochs: ClassVar[int] = 20
    improvement: ClassVar[float] = 0.8
    trainable: ClassVar[bool] = True

    @abstractmethod
    def labelled(self) -> Batch:
        """Ten or more samples with their labels, of different sizes where the model allows it."""

    def validation(self, batch: Batch) -> NDArray[np.bool_]:
        """Which of them are held out: by default every fifth."""
        held_out: NDArray[np.bool_] = np.arange(len(batch)) % 5 == 4
        return held_out

    def make_trainer(self, index: int = 0, batch: Batch | None = None) -> Any:
        """A trainer of member `index` that has been given data."""
        if not self.trainable:
            pytest.skip(f"{self.name} is declared not to be trainable (trainable = False)")
        trainer = self.make(index, role="training")
        batch = self.labelled() if batch is None else batch
        trainer.extend(batch, self.validation(batch))
        return trainer

    def make_predictor(self, index: int = 0) -> Any:
        """A predictor of member `index` with its first weights."""
        return self.make(index, role="prediction")

    def make_ready_predictor(self) -> Any:
        """A predictor with weights of two epochs, if the model can be trained: first weights may predict zero."""
        predictor = self.make_predictor()
        if self.trainable:
            trainer = self.make_trainer()
            self.pull(trainer, 2)
            predictor.load(trainer.weights())
        return predictor

    def pull(self, trainer: Any, epochs: int) -> list[Epoch]:
        """Train for at most `epochs` whole epochs and close the iterator, as the engine does."""
        iterator = trainer.train()
        done: list[Epoch] = []
        while len(done) < epochs:
            epoch = next(iterator, None)
            if not isinstance(epoch, Epoch):
                break
            done += [epoch] if epoch.whole else []
        iterator.close()
        return done

    def samples(self) -> Batch:
        """Columns that the model reads, of all samples."""
        return self.labelled().pick(self.interface().consumes)

    def check_same(self, found: Batch, wanted: Batch, complaint: str) -> None:
        """Assert that two predictions agree within `tolerance`."""
        assert found.schema == wanted.schema, f"{complaint}: {found.schema} against {wanted.schema}"
        for name, column in wanted.columns.items():
            scale = float(np.abs(column).max(initial=0.0))
            np.testing.assert_allclose(
                found.columns[name], column, rtol=0, atol=self.tolerance * scale, err_msg=f"{complaint}: {name}"
            )

    def test_prediction_fits_the_interface(self) -> None:
        samples = self.samples()
        predicted = self.make_predictor().predict(samples)
        wanted = self.interface().produces
        assert predicted.schema == wanted, f"predicted {predicted.schema}, the interface says {wanted}"
        assert len(predicted) == len(samples), f"{len(predicted)} predictions of {len(samples)} samples"
        for name, column in predicted.columns.items():
            assert np.isfinite(column).all(), f"the prediction of {name!r} is not finite"

    def test_empty_batch_gives_an_empty_batch(self) -> None:
        predicted = self.make_predictor().predict(Batch.empty(self.interface().consumes))
        assert predicted.schema == self.interface().produces, f"predicted {predicted.schema} of no samples"
        assert len(predicted) == 0, f"{len(predicted)} predictions of no samples"

    def test_prediction_follows_the_order_of_samples(self) -> None:
        samples, model = self.samples(), self.make_ready_predictor()
        order = np.random.default_rng(0).permutation(len(samples))
        wanted = model.predict(samples).take(order)
        self.check_same(model.predict(samples.take(order)), wanted, "the order of samples matters")

    def test_prediction_does_not_depend_on_the_rest_of_the_batch(self) -> None:
        samples, model = self.samples(), self.make_ready_predictor()
        together = model.predict(samples)
        parts = samples.split([1, 2, len(samples) - 3])
        apart = Batch.concat([model.predict(part) for part in parts])
        self.check_same(apart, together, "the other samples of the batch matter")

    def test_other_columns_are_ignored_and_samples_stay_as_they_are(self) -> None:
        labelled, model = self.labelled(), self.make_ready_predictor()
        wanted = model.predict(self.samples())
        read_only = Batch(labelled.schema, frozen(labelled.columns), labelled.offsets, size=len(labelled))
        self.check_same(model.predict(read_only), wanted, "columns that aren't read matter")

    def test_members_predict_together_as_one_by_one(self) -> None:
        samples = self.samples()
        members = [self.make_ready_predictor(), self.make_predictor(1), self.make_predictor(2)]
        for batch in (samples, samples.slice(0, 1), samples.slice(0, 0)):
            together = type(members[0]).predict_together(members, batch)
            assert len(together) == len(members), f"{len(together)} predictions of {len(members)} members"
            for member, found in zip(members, together, strict=True):
                self.check_same(found, member.predict(batch), "a member predicts otherwise together with others")

    def test_weights_are_plain_and_a_copy(self) -> None:
        trainer = self.make_trainer()
        self.pull(trainer, 1)
        weights = trainer.weights()
        check_state(weights, f"the weights of {self.name}")
        kept = copied(weights)
        self.pull(trainer, 2)
        assert same(weights, kept), "training changed weights that had been handed out"

    def test_predictor_takes_over_the_trainers_weights(self) -> None:
        trainer, predictor, samples = self.make_trainer(), self.make_predictor(), self.samples()
        before = predictor.predict(samples)
        self.pull(trainer, 2)
        weights = copied(trainer.weights())
        predictor.load(weights)
        for value in weights.values():  # the engine's receive buffer is used again
            value[...] = np.zeros((), value.dtype)
        after = predictor.predict(samples)
        self.check_same(after, trainer.predict(samples), "the predictor differs from its trainer")
        assert not same(before.columns, after.columns), "training changed no prediction"

    def test_weights_can_be_read_between_epochs(self) -> None:
        trainer = self.make_trainer()
        iterator = trainer.train()
        whole = (epoch for epoch in iterator if isinstance(epoch, Epoch) and epoch.whole)
        next(whole)
        first = copied(trainer.weights())
        next(whole)
        assert not same(first, trainer.weights()), "an epoch changed no weight"
        iterator.close()

    def test_epochs_are_numbered_and_measured(self) -> None:
        trainer = self.make_trainer()
        epochs = self.pull(trainer, 2) + self.pull(trainer, 1)
        assert [e.number for e in epochs] == [1, 2, 3], f"epochs are numbered {[e.number for e in epochs]}"
        for epoch in epochs:
            assert "loss" in epoch.metrics, f"no 'loss' among the metrics {sorted(epoch.metrics)}"
            assert any(n.startswith("validation_") for n in epoch.metrics), "no metric of the held-out samples"
            broken = [n for n, value in epoch.metrics.items() if not np.isfinite(value)]
            assert not broken, f"metrics are not finite: {broken}"

    def test_training_lowers_loss_and_error(self) -> None:
        trainer, labelled = self.make_trainer(), self.labelled()
        before = self._error(trainer, labelled)
        epochs = self.pull(trainer, self.epochs)
        after = self._error(trainer, labelled)
        first, last = epochs[0].metrics["loss"], epochs[-1].metrics["loss"]
        assert last < first, f"the loss went from {first:g} to {last:g} in {len(epochs)} epochs"
        assert after <= self.improvement * before, (
            f"the error went from {before:g} to {after:g}, relative to the spread"
        )

    def _error(self, model: Any, labelled: Batch) -> float:
        """Root mean square error over the spread of the labels, averaged over fields."""
        predicted = model.predict(labelled)
        names = [n for n in predicted.schema if n in labelled.schema]
        errors = [
            np.sqrt(np.mean((predicted.columns[n] - labelled.columns[n]) ** 2)) / (labelled.columns[n].std() + 1e-12)
            for n in names
        ]
        return float(np.mean(errors))

    def test_held_out_labels_are_not_trained_on(self) -> None:
        labelled = self.labelled()
        trained = []
        for batch in (labelled, self._altered(labelled, np.flatnonzero(self.validation(labelled)))):
            trainer = self.make_trainer(batch=batch)
            self.pull(trainer, 1)
            trained.append(trainer.predict(self.samples()))
        self.check_same(trained[1], trained[0], "labels of held-out samples change the first epoch")

    def test_capability_of_use_is_told(self) -> None:
        can, told = self.make(0, role="training"), "use" in self.spec().capabilities
        assert (type(can).use is not Model.use) == told, (
            f"the capability 'use' of {self.name} doesn't fit its method use"
        )

    def _altered(self, labelled: Batch, rows: NDArray[np.int64]) -> Batch:
        """The same samples, those at `rows` with other labels."""
        out = Batch(labelled.schema, copied(labelled.columns), labelled.offsets, size=len(labelled))
        for i in rows:
            for name in self.interface().labels:
                if out.columns[name].dtype.kind == "f":
                    out[int(i)][name][...] += 1.0
        return out

    def _chooser(self, batch: Batch) -> Any:
        """A trainer that uses two thirds of its samples."""
        trainer = self.make_trainer(batch=batch)
        self.needs("use")
        trainer.use(np.flatnonzero(np.arange(len(batch)) % 3 != 1))
        return trainer

    def test_samples_that_are_not_in_use_are_neither_trained_on_nor_measured(self) -> None:
        labelled = self.labelled()
        found = []
        for batch in (labelled, self._altered(labelled, np.arange(1, len(labelled), 3))):
            trainer = self._chooser(batch)
            metrics = [dict(epoch.metrics) for epoch in self.pull(trainer, 2)]
            found.append((trainer.predict(self.samples()), metrics))
        self.check_same(found[1][0], found[0][0], "labels of samples that are not in use matter")
        assert found[1][1] == found[0][1], "labels of samples that are not in use change the metrics"

    def test_samples_in_use_are_part_of_the_snapshot(self) -> None:
        self.needs("snapshot")
        trainer = self._chooser(self.labelled())
        self.pull(trainer, 2)
        state = copied(trainer.snapshot())
        twin = self.make_trainer()
        twin.restore(state)
        for model in (trainer, twin):
            self.pull(model, 2)
        self._check_twins(twin, trainer)

    def test_training_goes_on_with_new_data(self) -> None:
        first, second = self.labelled().split([len(self.labelled()) // 2, -(-len(self.labelled()) // 2)])
        trainer = self.make_trainer(batch=first)
        last = self.pull(trainer, 1)[-1].number
        trainer.extend(second, self.validation(second))
        epochs = self.pull(trainer, 1)
        assert epochs, "after new data there is nothing to train"
        assert epochs[0].number == last + 1, f"epoch {last} is followed by {epochs[0].number}"

    def test_members_differ_and_are_reproducible(self) -> None:
        samples = self.samples()
        trained = []
        for index in (0, 0, 1):
            trainer = self.make_trainer(index)
            self.pull(trainer, 2)
            trained.append(trainer.predict(samples))
        self.check_same(trained[1], trained[0], "a member trained twice differs")
        assert not same(trained[2].columns, trained[0].columns), "members 0 and 1 are the same"

    def test_restored_training_goes_on_exactly(self) -> None:
        self.needs("snapshot")
        trainer, samples = self.make_trainer(), self.samples()
        self.pull(trainer, 2)
        state = trainer.snapshot()
        check_state(state, f"the snapshot of {self.name}")
        kept = copied(state)
        wanted = self.pull(trainer, 2)
        assert same(state, kept), "further training changed an earlier snapshot"
        twin = self.make_trainer()
        twin.restore(kept)
        found = self.pull(twin, 2)
        assert [e.number for e in found] == [e.number for e in wanted], "epochs are counted otherwise after a restart"
        self.check_same(twin.predict(samples), trainer.predict(samples), "training after a restart goes another way")
        self._check_twins(twin, trainer)

    def test_restored_training_takes_new_data_exactly(self) -> None:
        """The engine gives a restarted trainer all earlier data at once."""
        self.needs("snapshot")
        labelled = self.labelled()
        share = len(labelled) // 3
        parts = labelled.split([share, share, len(labelled) - 2 * share])
        trainer = self.make_trainer(batch=parts[0])
        self.pull(trainer, 2)
        trainer.extend(parts[1], self.validation(parts[1]))
        self.pull(trainer, 1)
        state = copied(trainer.snapshot())
        twin = self.make(0, role="training")
        together = [self.validation(part) for part in parts[:2]]
        twin.extend(Batch.concat(parts[:2]), np.concatenate(together))
        twin.restore(state)
        for model in (trainer, twin):
            model.extend(parts[2], self.validation(parts[2]))
            self.pull(model, 2)
        self._check_twins(twin, trainer)

    def used(self, batch: Batch) -> NDArray[np.int64]:
        """Rows that `use` is called with: training and validation samples from the whole batch, not all of either."""
        return np.flatnonzero(np.arange(len(batch)) % 3 != 1)

    def test_restored_training_on_a_part_goes_on_exactly(self) -> None:
        self.needs("snapshot")
        self.needs("use")
        labelled = self.labelled()
        half = len(labelled) // 2
        first, second = labelled.split([half, len(labelled) - half])
        early, late = self.used(first), self.used(labelled)
        trainer = self.make_trainer(batch=first)
        trainer.use(early)
        self.pull(trainer, 2)
        state = copied(trainer.snapshot())
        twin = self.make(0, role="training")
        twin.extend(first, self.validation(first))
        twin.use(early)
        twin.restore(state)
        for model in (trainer, twin):
            self.pull(model, 1)
        self._check_twins(twin, trainer)
        for model in (trainer, twin):
            model.extend(second, self.validation(second))
            model.use(late)
            self.pull(model, 2)
        self._check_twins(twin, trainer)

    def test_training_goes_on_without_the_labels_of_a_round_that_was_cut_short(self) -> None:
        """A run that was killed has fewer labels than its snapshot knew; they come with the next round."""
        self.needs("snapshot")
        self.needs("use")
        labelled = self.labelled()
        half = len(labelled) // 2
        first, second = labelled.split([half, len(labelled) - half])
        trainer = self.make_trainer(batch=labelled)
        trainer.use(self.used(labelled))
        self.pull(trainer, 2)
        state = copied(trainer.snapshot())
        twin = self.make(0, role="training")
        twin.extend(first, self.validation(first))
        twin.use(self.used(first))
        twin.restore(state)
        twin.extend(second, self.validation(second))
        twin.use(self.used(labelled))
        assert self.pull(twin, 1), "after a restart with fewer labels there is nothing to train"

    def _check_twins(self, twin: Any, trainer: Any) -> None:
        """Assert that a restored trainer is where the other one is, to the last bit."""
        for what in ("weights", "snapshot"):
            found, wanted = (getattr(model, what)() for model in (twin, trainer))
            wrong = [n for n in wanted if n not in found or not same({n: found[n]}, {n: wanted[n]})]
            assert not wrong, f"after a restart, the {what} of {self.name} differ in {', '.join(wrong[:5])}"
            assert found.keys() == wanted.keys(), f"after a restart, the {what} of {self.name} have other names"
