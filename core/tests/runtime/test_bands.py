"""Walkers that propose several samples in a turn: who hears what, what a broken image costs, and whole runs."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import odd_kernels
import pytest
from killing import count
from test_generator import explore, verdicts
from worlds import make_setup, odd, plugins, started, toy

from pal_core import api
from pal_core import messages as m
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.builtin.surface import muller_brown
from pal_core.data import Batch
from pal_core.kernels import Feedback
from pal_core.runtime.exchange import ExchangeHost
from pal_core.runtime.generator import GeneratorHost
from pal_core.runtime.plan import Processes
from pal_core.store.store import Store
from pal_core.testing import GeneratorContract
from pal_core.testing.runs import differences


def bands(folder, walkers=3, past=0, run=None, **options):
    """A host of bands of 3, 4, ... images, and its outbox."""
    table = {"kernel": odd("Band"), "walkers": walkers, "options": options}
    setup = replace(make_setup(folder, generator=table, run=run or {}), set=past)
    return started(GeneratorHost, setup, "generator/0")


def turn(host, out) -> m.Proposals:
    """Answer the last proposals; the next."""
    host.receive("exchange", verdicts(out.of(m.Proposals)[-1]))
    wanted = len(out.of(m.Proposals)) + 1
    while len(out.of(m.Proposals)) < wanted:
        host.work(time.monotonic())
    return out.of(m.Proposals)[-1]


def test_all_images_leave_in_one_message_with_their_walkers(tmp_path):
    host, out = bands(tmp_path)
    assert len(out.one(m.Ready).first) == 3 + 4 + 5
    proposals = explore(host, out)
    assert proposals.walkers.tolist() == [0] * 3 + [1] * 4 + [2] * 5
    np.testing.assert_allclose(proposals.batch.columns["x"][:3], [[-0.6, 1.4], [0, 0.7], [0.6, 0]], atol=1e-15)
    assert proposals.wish.tolist() == [-1, 0, 0, -1, 0, 0, 0, -1, 0, 0, 0, 0]


def test_every_walker_hears_as_many_verdicts_as_it_has_images_in_their_order(tmp_path):
    host, out = bands(tmp_path)
    explore(host, out)
    turn(host, out)
    for index, first in ((0, 0), (1, 3), (2, 7)):
        heard = host._walkers[index].kernel.heard[-1]
        assert isinstance(heard, tuple)
        assert [float(f.mean["energy"]) for f in heard] == [first + k + 0.5 for k in range(3 + index)]


def test_single_sample_is_answered_by_a_single_verdict_and_may_be_wanted(tmp_path):
    host, out = bands(tmp_path)
    explore(host, out)
    turn(host, out)
    single = turn(host, out)
    assert single.walkers.tolist() == [0, 1, 2]
    assert single.wish.tolist() == [1] * 3
    turn(host, out)
    assert all(isinstance(w.kernel.heard[-1], Feedback) for w in host._walkers.values())


def test_bands_and_single_samples_go_together(tmp_path):
    host, out = bands(tmp_path)
    host._walkers[1].kernel.count = 1
    explore(host, out)
    mixed = turn(host, out)
    assert mixed.walkers.tolist() == [0, 0, 0, 1, 2, 2, 2, 2, 2]
    assert mixed.wish.tolist() == [-1, 0, 0, 1, -1, 0, 0, 0, 0]
    turn(host, out)
    assert [type(w.kernel.heard[-1]) for w in host._walkers.values()] == [tuple, Feedback, tuple]


def test_one_broken_image_resets_its_walker_and_no_other(tmp_path):
    host, out = bands(tmp_path, broken_at=1)
    for index in (0, 2):
        host._walkers[index].kernel.options = host.kernel.options.model_copy(update={"broken_at": -1})
    explore(host, out)
    assert turn(host, out).walkers.tolist() == [0] * 3 + [2] * 5
    fault = out.one(m.Fault)
    assert fault.what == "FloatingPointError: a proposal has values that are not finite"
    assert fault.remedy.startswith("walker 1 goes on from its start")
    later = work_until_walker(host, out, 1)
    assert later.batch.columns["x"][later.walkers == 1][0].tolist() == [-0.6, 1.4]


def work_until_walker(host, out, index: int) -> m.Proposals:
    while index not in out.of(m.Proposals)[-1].walkers:
        host.work(time.monotonic())
    return out.of(m.Proposals)[-1]


def test_empty_proposal_is_an_error_of_the_walker(tmp_path, monkeypatch):
    host, out = bands(tmp_path)
    explore(host, out)
    monkeypatch.setattr(host._walkers[2].kernel, "propose", lambda feedback: [])
    turn(host, out)
    assert out.one(m.Fault).what == "ValueError: propose() returned no sample: an empty sequence"


def test_restored_band_is_proposed_again_as_a_whole(tmp_path):
    host, out = bands(tmp_path)
    explore(host, out)
    last = turn(host, out)
    host.receive("exchange", m.Halt(set=1))
    host, out = bands(tmp_path, past=1)
    np.testing.assert_array_equal(explore(host, out).batch.columns["x"], last.batch.columns["x"])


class TestExchange:
    """What the exchange makes of it."""

    def make(self, tmp_path, oracle=True, upper=100.0):
        tables = {} if oracle else dict.fromkeys(("oracle", "training", "data", "stop"))
        others = 1 if oracle else None
        selection = {"kernel": odd("Judge"), "options": {"upper": upper}}
        setup = make_setup(tmp_path, Processes(1, 1, 1, others, others), selection=selection, **tables)
        host, out = started(ExchangeHost, setup, "exchange")
        out.clear()
        return host, out

    def propose_and_answer(self, host, wish: list[int], energies: list[float]) -> None:
        n = len(wish)
        batch = Batch(SAMPLE, {"x": np.arange(2.0 * n).reshape(n, 2)}, size=n)
        host.receive("generator/0", m.Proposals(0, np.zeros(n, np.int64), batch, np.array(wish)))
        output = Batch(LABEL, {"energy": np.array(energies), "gradient": np.zeros((n, 2))}, size=n)
        host.receive("prediction/0", m.Predicted(0, (0, 1), (4, 4), (output, output)))

    def test_wanted_samples_go_to_the_manager_beside_the_selected_ones(self, tmp_path):
        host, out = self.make(tmp_path)
        self.propose_and_answer(host, [0, 1, 0], [1.0, 2.0, 500.0])
        chosen = out.one(m.Selected)
        assert chosen.batch.columns["x"].tolist() == [[2, 3], [4, 5]]
        assert chosen.wanted.tolist() == [True, False]
        assert chosen.score.tolist() == [2.0, 500.0]
        assert out.one(m.Verdicts).selected.tolist() == [False, True, True]

    def test_samples_that_are_not_to_be_labelled_are_not(self, tmp_path):
        host, out = self.make(tmp_path)
        self.propose_and_answer(host, [-1, 0, -1], [500.0, 500.0, 500.0])
        assert out.one(m.Selected).batch.columns["x"].tolist() == [[2, 3]]
        assert out.one(m.Verdicts).selected.tolist() == [False, True, False]

    def test_rule_of_convergence_counts_what_the_selection_has_selected(self, tmp_path):
        host, out = self.make(tmp_path)
        self.propose_and_answer(host, [1, 1, -1], [1.0, 2.0, 500.0])
        host.step(time.monotonic() + 1)
        assert out.one(m.Progress) == m.Progress(3, 1, 1)

    def test_nothing_is_wanted_without_an_oracle(self, tmp_path):
        host, out = self.make(tmp_path, oracle=False)
        self.propose_and_answer(host, [1], [1.0])
        assert out.of(m.Selected) == []


class TestContract(GeneratorContract):
    """The contract tests take walkers of several samples."""

    plugin = "pal_core.builtin.plugin"
    name = "pal.toy-walker"
    steps = 7

    def make(self, index=0, seed=None, role=None):
        return odd_kernels.Band(odd_kernels.BandOptions(), self.context(index, seed, role))

    def feedback(self, sample):
        energy, gradient = muller_brown(sample["x"][None])
        return self.feedback_of({"energy": energy[0], "gradient": gradient[0]})

    test_goes_on_after_a_prediction_that_is_not_finite = None  # this one doesn't
    test_bootstrap_samples_fit_and_differ = test_bootstrap_does_not_disturb_the_walk = None  # nor are they random
    test_options_are_documented = None


class TestRun:
    """Whole runs: the loop turns, wanted samples are labelled, and a run that was broken off repeats itself."""

    settings = toy(
        run={"schedule": "serial", "batching": "all", "snapshot_every": 0.1},
        generator={"kernel": odd("Band"), "walkers": 3},
        model={"options": {"features": 50, "delay": 0.001}},
        oracle={"options": {"delay": 0.005}},
        selection={"options": {"field": "energy", "upper": 5.0}},
        stop={"labels": 60},
    )

    @pytest.fixture(scope="class")
    @classmethod
    def whole(cls, tmp_path_factory):
        result = api.run(cls.settings, base=tmp_path_factory.mktemp("whole"), plugins=plugins())
        assert (result.outcome, result.reason) == ("done", "60 labels")
        return result.directory

    def test_wanted_samples_are_labelled_whatever_their_score(self, whole):
        store = Store(whole)
        wanted = [o["score"] for o in store.origins(store.labelled()) if o["origin"] == "wanted"]
        assert store.counts()["labels_wanted"] == len(wanted) > 5
        store.close()
        assert min(wanted) < 5.0

    def test_interrupted_run_equals_the_whole_one(self, whole, tmp_path):
        labels = "SELECT COUNT(*) FROM labels"

        def look() -> bool:
            if count(tmp_path, labels) > 35 and count(tmp_path, "SELECT COUNT(*) FROM sets") > 0:
                raise KeyboardInterrupt
            return False

        with pytest.raises(KeyboardInterrupt):
            api.run(self.settings, base=tmp_path, plugins=plugins(), should_stop=look)
        assert count(tmp_path, labels) < 60
        api.run(self.settings, base=tmp_path, plugins=plugins())
        assert differences(tmp_path / "run", whole) == []

    def test_stop_after_steps_counts_samples(self, tmp_path):
        settings = {**self.settings, "stop": {"steps": 200}}
        result = api.run(settings, base=tmp_path, plugins=plugins())
        number, what = result.reason.split()
        assert (200 <= int(number) < 200 + 12, what) == (True, "steps")
