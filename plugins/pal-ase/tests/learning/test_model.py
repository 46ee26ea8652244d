"""What members share when they predict, what they start from, and which samples they use."""

from __future__ import annotations

import time

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.data import chemical_symbols
from learning_frames import batch_of, clusters, member, molecules, train
from pal_core.data import Batch
from pal_core.kernels import Context
from pydantic import ValidationError
from tiny import TinyModel, TinyNetwork, TinyOptions

import pal_ase.learning.potential
from pal_ase.elements import ELEMENTS, SYMBOLS
from pal_ase.learning.model import Units
from pal_ase.schema import LABEL


def with_energies(energies, *images):
    """Samples with these energies and no forces."""
    samples = [{"energy": e, "forces": np.zeros((len(a), 3))} for e, a in zip(energies, images, strict=True)]
    return batch_of(*images).join(Batch.from_samples(LABEL, samples))


def started(batch, held_out=(), **options):
    model = member(**options)
    model.extend(batch, np.isin(np.arange(len(batch)), held_out))
    return model


def references_of(model, *symbols):
    return [float(model.weights()["references"][SYMBOLS.index(s)]) for s in symbols]


ATOMS = {"H": -13.6, "C": -1030.0, "O": -2041.0}
WATER, METHANE = molecules("H2O", "CH4")


class TestPrediction:
    def test_pairs_are_found_once_for_all_members(self, monkeypatch):
        build, calls = pal_ase.learning.potential.build, []
        monkeypatch.setattr("pal_ase.learning.potential.build", lambda *a: calls.append(a) or build(*a))
        members = [member(k, "prediction") for k in range(4)]
        found = TinyModel.predict_together(members, clusters(6))
        assert len(calls) == 1
        assert len({float(f.columns["energy"][0]) for f in found}) == 4

    def test_large_batches_are_cut_and_joined_rightly(self, monkeypatch):
        batch, model = batch_of(*molecules(*["CH3CH2OH", "H2O", "C6H6"] * 4), bulk("Cu")), member(dtype="float64")
        whole = model.predict(batch).columns
        graphs, evaluate = [], TinyModel.network.evaluate
        monkeypatch.setattr(TinyModel.network, "pairs_at_once", 50)
        monkeypatch.setattr(TinyModel.network, "evaluate", lambda s, g, *a: graphs.append(g) or evaluate(s, g, *a))
        parts = model.predict(batch).columns
        for name, values in whole.items():
            np.testing.assert_allclose(parts[name], values, rtol=1e-12, atol=1e-12)
        assert all(len(g.first) <= 50 or len(g) == 1 for g in graphs)
        assert sum(map(len, graphs)) == 13


class TestReferences:
    def test_isolated_atoms_give_them_whatever_side_they_are_on(self):
        data = with_energies([-100.0, -13.0, -13.6, -2041.0, -50.0], WATER, Atoms("H"), Atoms("H"), Atoms("O"), WATER)
        model = started(data, held_out=[2], references="isolated")
        train(model, 9)
        assert references_of(model, "H", "O", "C") == [-13.6, -2041.0, 0.0]

    def test_charged_atoms_are_not_isolated_ones(self):
        ion = Atoms("O", info={"charge": 1, "multiplicity": 4})
        data = with_energies([-100.0, -13.6, -3000.0, -2041.0], WATER, Atoms("H"), ion, Atoms("O"))
        model = started(data, references="isolated")
        train(model, 1)
        assert references_of(model, "O") == [-2041.0]

    def test_isolated_atoms_that_are_missing_are_named(self):
        model = started(with_energies([-1.0, -13.6], METHANE + WATER, Atoms("H")), references="isolated")
        with pytest.raises(
            ValueError,
            match=r"^tiny.model: option references: the data hold no neutral single atom of C, O; add one each to the "
            'initial data, or let references = "fit"',
        ):
            next(model.train())

    def test_isolated_atoms_may_come_later_and_need_not_be_in_use(self):
        model = started(with_energies([-100.0], WATER), references="isolated")
        with pytest.raises(ValueError, match="no neutral single atom of H, O"):
            next(model.train())
        model.extend(with_energies([-13.6, -2041.0], Atoms("H"), Atoms("O")), np.zeros(2, bool))
        model.use(np.array([0]))
        train(model, 1)
        assert references_of(model, "H", "O") == [-13.6, -2041.0]

    def test_table_holds_from_the_start_and_stays(self):
        table = {"H": -13.6, "O": -2041.0, "C": -1030.0}
        model = started(with_energies([-2070.0, -1080.0], WATER, METHANE), references=table)
        assert references_of(model, *table) == list(table.values())
        train(model, 5)
        assert references_of(model, *table) == list(table.values())

    def test_elements_that_the_table_leaves_out_are_named(self):
        model = started(with_energies([-2070.0], WATER), references={"H": -13.6})
        with pytest.raises(
            ValueError, match='option references: the table leaves out O; add them, or let references = "fit"'
        ):
            next(model.train())

    def test_unknown_elements_are_refused(self):
        with pytest.raises(ValidationError, match="no chemical elements: X, hydrogen"):
            TinyOptions(references={"H": 1.0, "hydrogen": 2.0, "X": 0.0})

    def test_symbols_are_those_of_ase(self):
        assert chemical_symbols == SYMBOLS
        assert len(SYMBOLS) == ELEMENTS


class FromAFile(TinyModel):
    """Stands for a network that a model file brings with its units."""

    def _units(self):
        references = np.zeros(ELEMENTS)
        references[[1, 8]] = -13.6, -2041.0
        return Units(references, 2.0)


class CountingNetwork(TinyNetwork):
    """Divides by the mean number of pairs per atom."""

    def prepare(self, graph):
        self.module.centres[0] = len(graph.first) / len(graph.numbers)

    def atomic_energies(self, graph, vectors):
        return super().atomic_energies(graph, vectors) / self.module.centres[0].clamp(min=1e-2)


class Counting(TinyModel):
    network = CountingNetwork


class ScaledNetwork(TinyNetwork):
    def state(self):
        return super().state() | {"scale": np.ones(())}


class TestConstants:
    def made(self, kind, role="training", index=0):
        return kind(TinyOptions(batch_size=4), Context(role, index, 3))

    def test_what_depends_on_the_data_reaches_weights_and_snapshots(self):
        data = clusters(20)
        model, other, twin = self.made(Counting), self.made(Counting, "prediction", 1), self.made(Counting)
        for trainer in (model, twin):
            trainer.extend(data, np.arange(20) % 5 == 4)
        train(model, 2)
        graph = model._trainer.samples.training.graph
        assert model.weights()["centres"][0] == pytest.approx(len(graph.first) / len(graph.numbers))
        other.load(model.weights())
        twin.restore(model.snapshot())
        for epochs in (0, 2):
            train(model, epochs)
            train(twin, epochs)
            other.load(model.weights())
            wanted = model.predict(data).columns["forces"]
            assert np.array_equal(other.predict(data).columns["forces"], wanted)
            assert np.array_equal(twin.predict(data).columns["forces"], wanted)

    def test_names_that_the_potential_needs_for_itself_are_refused(self, monkeypatch):
        monkeypatch.setattr(TinyModel, "network", ScaledNetwork)
        with pytest.raises(ValueError, match="its network has weights named scale, as the potential's own"):
            member().weights()


class TestUnits:
    def test_units_of_a_model_file_are_taken_and_kept(self):
        own = member(references="fit")
        model = FromAFile(own.options, Context("training", 0, 3))
        plain, scaled = (m.predict(batch_of(WATER)).columns["energy"][0] for m in (own, model))
        assert scaled == pytest.approx(2 * plain - 2 * 13.6 - 2041.0)
        model.extend(with_energies([-2070.0], WATER), np.zeros(1, bool))
        train(model, 1)
        assert model.weights()["scale"] == 2.0
        assert model.predict(batch_of(WATER)).columns["energy"][0] == pytest.approx(-2070.0, abs=1e-3)
        assert references_of(model, "H", "O") != [-13.6, -2041.0]


class TestUse:
    def test_using_all_is_using_none_in_particular(self):
        data, weights = clusters(20), []
        for rows in (None, np.arange(20)):
            model = started(data)
            if rows is not None:
                model.use(rows)
            train(model, 2)
            weights.append(model.weights())
        assert all(np.array_equal(weights[0][n], a) for n, a in weights[1].items())

    def test_samples_in_use_are_as_if_they_alone_had_been_given(self):
        """Apart from the bootstrap, whose weights go by the number of the sample."""
        data, rows, weights = clusters(20), np.array([1, 2, 5, 7, 11, 13, 17]), []
        for some, used in ((data, rows), (data.take(rows), np.arange(7))):
            model = started(some, bootstrap=0)
            model.use(used[::-1])
            train(model, 3)
            weights.append(model.weights())
        assert all(np.array_equal(weights[0][n], a) for n, a in weights[1].items())

    def test_change_of_use_starts_a_new_round_and_the_same_does_not(self):
        model = started(clusters(20), max_epochs=2)
        assert [e.number for e in model.train()] == [1, 2]
        model.use(np.arange(20))
        assert list(model.train()) == []
        model.use(np.arange(10))
        assert [e.number for e in model.train()] == [3, 4]
        model.use(np.arange(10))
        assert list(model.train()) == []
        model.use(np.arange(10, 20))
        assert [e.number for e in model.train()] == [5, 6]

    def test_samples_that_come_later_are_used_as_well(self):
        data, weights = clusters(20), []
        for late in (False, True):
            model = member()
            parts = data.split([15, 5]) if late else [data]
            for k, part in enumerate(parts):
                model.extend(part, np.zeros(len(part), bool))
                if k == 0:
                    model.use(np.arange(5, len(part)))
            train(model, 2)
            weights.append(model.weights())
        assert all(np.array_equal(weights[0][n], a) for n, a in weights[1].items())

    def test_none_in_use_is_nothing_to_train(self):
        model = started(clusters(4))
        model.use(np.zeros(0, np.int64))
        assert list(model.train()) == []

    @pytest.mark.parametrize("rows", [[0, 4], [-1]])
    def test_numbers_without_a_sample_are_refused(self, rows):
        with pytest.raises(IndexError, match=r"are to be used, but there are 4"):
            started(clusters(4)).use(np.array(rows))

    def test_run_killed_in_a_round_goes_on_with_the_samples_of_the_round_before(self):
        """Its snapshot knows samples that come again later only."""
        data = clusters(20)
        model = started(data)
        model.use(np.arange(8, 20))
        train(model, 2)
        twin = started(data.take(np.arange(10)))
        twin.restore(model.snapshot())
        assert twin._trainer.samples.rows.tolist() == [8, 9]
        twin.extend(data.take(np.arange(10, 20)), np.zeros(10, bool))
        twin.use(np.arange(8, 20))
        for other in (model, twin):
            train(other, 2)
        wanted = model.weights()
        assert all(np.array_equal(a, wanted[n]) for n, a in twin.weights().items())

    def test_samples_left_out_are_counted(self):
        data = clusters(10)
        data.columns["energy"][3] = np.nan
        model = started(data)
        model.use(np.array([3, 4]))
        assert len(model._trainer.samples.training) == 1

    def test_epochs_take_as_long_as_their_samples_need(self):
        """However many there are besides."""
        times = []
        for count in (40, 400):
            model = started(clusters(count))
            model.use(np.arange(count - 30, count))
            epochs, spent = model.train(), []
            for _ in range(10):
                start = time.process_time()
                next(epochs)
                spent.append(time.process_time() - start)
            times.append(np.median(spent))
        assert times[1] < 1.5 * times[0]


class TestStart:
    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(FileNotFoundError, match=r"tiny.model: option weights: there is no file .*none.safetensors"):
            member(weights=tmp_path / "none.safetensors")

    def test_file_that_is_not_safetensors_is_named(self, tmp_path):
        (tmp_path / "notes.txt").write_text("hello")
        with pytest.raises(ValueError, match=r"option weights: .*notes.txt is not a safetensors file"):
            member(weights=tmp_path / "notes.txt")
