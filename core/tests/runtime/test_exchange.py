"""The exchange's shell: payloads of the right samples go to the right hosts."""

from __future__ import annotations

import time

import numpy as np
import pytest
from worlds import make_setup, odd, started

from pal_core import messages as m
from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.control import exchange as x
from pal_core.data import Batch
from pal_core.runtime.exchange import ExchangeHost
from pal_core.runtime.generator import LIFE
from pal_core.runtime.plan import Processes

WALKERS = {"generator/0": [0, 1], "generator/1": [2, 3]}


@pytest.fixture
def exchange(tmp_path):
    """Makes an exchange of two hosts of two walkers and two hosts of one member; what it posts, without the vote."""

    def make(run=None, oracle=True, generator=None, audit=0.0, **options):
        tables = {} if oracle else dict.fromkeys(("oracle", "training", "data", "stop"))
        others = 1 if oracle else None
        setup = make_setup(
            tmp_path,
            Processes(1, 2, 2, others, others),
            selection={"kernel": odd("Judge"), "options": options, "audit": audit},
            run=run or {},
            **({"generator": generator} if generator else {}),
            **tables,
        )
        host, out = started(ExchangeHost, setup, "exchange")
        assert out == [("manager", m.Ready(None))]
        out.clear()
        return host, out

    return make


def propose(host, sender: str, seq: int = 0, first: float = 0.0) -> None:
    """Samples whose first coordinate is the walker's number, and whose second is given."""
    walkers = WALKERS[sender]
    batch = Batch(SAMPLE, {"x": [[w, first] for w in map(float, walkers)]})
    host.receive(sender, m.Proposals(seq, np.array(walkers), batch, np.zeros(len(walkers), np.int64)))


def answer(host, number: int, energies: dict[int, list[float]], versions=(3, 5)) -> None:
    """Each prediction host's answer: member to energies."""
    for member, energy in energies.items():
        n = len(energy)
        output = Batch(LABEL, {"energy": np.array(energy, float), "gradient": np.full((n, 2), member * 1.0)}, size=n)
        host.receive(f"prediction/{member}", m.Predicted(number, (member,), (versions[member],), (output,)))


def test_proposals_go_to_every_prediction_host(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    assert [to for to, _ in out] == ["prediction/0", "prediction/1"]
    for predict in out.of(m.Predict):
        assert predict.batch_id == 0
        np.testing.assert_array_equal(predict.batch.columns["x"], [[0, 0], [1, 0]])


def test_verdicts_go_to_the_walkers_that_proposed_whatever_the_order_of_their_hosts(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    propose(host, "generator/1", first=7.0)  # waits for the predictors,
    propose(host, "generator/0", seq=1, first=8.0)  # and so does this
    out.clear()
    answer(host, 0, {0: [10, 20], 1: [30, 40]})
    (predict, _) = out.of(m.Predict)
    np.testing.assert_array_equal(predict.batch.columns["x"], [[2, 7], [3, 7], [0, 8], [1, 8]])
    assert out.to("generator/0")[0].mean.columns["energy"].tolist() == [20, 30]
    out.clear()
    answer(host, 1, {1: [1, 2, 3, 4], 0: [1, 2, 3, 4]})
    (one,), (other,) = out.to("generator/1"), out.to("generator/0")
    assert (one.seq, one.mean.columns["energy"].tolist(), one.score.tolist()) == (0, [1, 2], [1, 2])
    assert (other.seq, other.mean.columns["energy"].tolist(), other.score.tolist()) == (1, [3, 4], [3, 4])
    np.testing.assert_array_equal(other.std.columns["gradient"], np.full((2, 2), np.sqrt(0.5)))


def test_covariances_go_to_walkers_that_want_them(exchange):
    host, out = exchange(generator={"kernel": odd("Correlator"), "walkers": 4, "options": {}})
    propose(host, "generator/0")
    propose(host, "generator/1")
    for number, energies in enumerate(([1, 2], [5, 7])):
        answer(host, number, {0: energies, 1: [3, 2]})
    (one,), (other,) = out.to("generator/0"), out.to("generator/1")
    # Energies differ by 2, 0, -2, -5 from the first member to the second, gradients by 1.
    for verdict, wanted in ((one, [1, 0]), (other, [-1, -2.5])):
        (column,) = verdict.covariances.columns.values()
        np.testing.assert_allclose(column, np.outer(wanted, [1, 1]))


def test_others_get_none(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    answer(host, 0, {0: [1, 2], 1: [1, 2]})
    assert out.one(m.Verdicts).covariances is None


def test_version_is_the_lowest_of_all_members(exchange):
    for versions in ((3, 5), (5, 3)):
        host, out = exchange()
        propose(host, "generator/0")
        answer(host, 0, {0: [500, 500], 1: [500, 500]}, versions)
        assert out.one(m.Verdicts).version == 3
        assert out.one(m.Selected).version == 3


def test_selection_gets_the_members_in_their_order(exchange, monkeypatch):
    host, _ = exchange()
    seen = []
    select = host._selection.select
    monkeypatch.setattr(host._selection, "select", lambda b, c: (seen.append(c), select(b, c))[1])
    propose(host, "generator/0")
    answer(host, 0, {1: [1, 1], 0: [0, 0]})
    assert [member.columns["energy"][0] for member in seen[0].members] == [0, 1]
    assert seen[0].version == 3


def test_selected_samples_go_to_the_manager_with_their_walkers_before_the_verdicts(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    propose(host, "generator/1")
    answer(host, 0, {0: [0, 0], 1: [0, 0]})
    propose(host, "generator/0", seq=1)
    assert out.of(m.Selected) == []
    out.clear()
    answer(host, 1, {0: [50, 500], 1: [50, 500]})
    chosen = out.one(m.Selected)
    assert (chosen.walkers.tolist(), chosen.score.tolist(), chosen.version) == ([3], [500], 3)
    np.testing.assert_array_equal(chosen.batch.columns["x"], [[3, 0]])
    assert (chosen.mean.columns["energy"].tolist(), chosen.std.columns["energy"].tolist()) == ([500], [0])
    np.testing.assert_allclose(chosen.std.columns["gradient"], np.full((1, 2), np.sqrt(0.5)))
    assert out.one(m.Verdicts).selected.tolist() == [False, True]
    kinds = [type(x) for _, x in out]
    assert kinds.index(m.Selected) < kinds.index(m.Verdicts)


def test_trusted_samples_are_audited_and_nobody_but_the_manager_knows(exchange):
    host, out = exchange(audit=1.0)
    propose(host, "generator/0")
    answer(host, 0, {0: [50, 500], 1: [50, 500]})
    selected, audited = out.of(m.Selected)
    assert (selected.audit, selected.score.tolist()) == (False, [500])
    assert (audited.audit, audited.score.tolist(), audited.walkers.tolist()) == (True, [50], [0])
    assert (audited.mean.columns["energy"].tolist(), audited.std.columns["energy"].tolist()) == ([50], [0])
    assert out.one(m.Verdicts).selected.tolist() == [False, True]
    host.step(time.monotonic() + 1)
    assert out.one(m.Progress) == m.Progress(2, 1, 1), "the rule of convergence hears nothing of it"
    states, _ = host.states()
    assert states["audit/0"]["stream"].shape == (13,)


def test_nothing_is_selected_without_an_oracle(exchange):
    host, out = exchange(oracle=False)
    propose(host, "generator/0")
    answer(host, 0, {0: [500, 500], 1: [500, 500]})
    assert out.of(m.Selected) == []
    host.step(time.monotonic() + 1)
    assert out.one(m.Progress) == m.Progress(2, 0, 1)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_prediction_that_is_not_finite_is_never_trusted(exchange, bad):
    host, out = exchange()
    propose(host, "generator/0")
    answer(host, 0, {0: [1, 1], 1: [1, bad]})
    assert out.one(m.Verdicts).trusted.tolist() == [True, False]


def test_progress_is_told_now_and_then(exchange):
    host, out = exchange()
    for number in range(2):
        propose(host, "generator/0", seq=number)
        answer(host, number, {0: [0, 500], 1: [0, 500]})
    assert out.of(m.Progress) == []
    host.step(time.monotonic() + 1)
    host.step(time.monotonic() + 2)
    assert out.of(m.Progress) == [m.Progress(4, 2, 2)]


def test_lock_step_waits_for_every_walker(exchange):
    host, out = exchange(run={"batching": "all"})
    propose(host, "generator/1")
    assert out == []
    propose(host, "generator/0")
    assert out.of(m.Predict)[0].batch.columns["x"][:, 0].tolist() == [0, 1, 2, 3]  # not in order of arrival


def test_lock_step_joins_walkers_in_their_order_on_however_many_hosts():
    hosts = {f"generator/{k}": 1 for k in range(12)}
    machine = x.Exchange(hosts, [["prediction/0"]], "all")
    actions = [a for host in reversed(hosts) for a in machine.handle(x.Proposed(x.Chunk(host, 0, 1, 1)))]
    assert [c.host for c in actions[0].chunks] == list(hosts)


def test_ended_walkers_are_told_of_and_not_waited_for(exchange):
    host, out = exchange(run={"batching": "all"})
    propose(host, "generator/1")
    host.receive("generator/0", m.WalkersEnded((0, 1), ("a", "b")))
    assert out[0] == ("manager", m.WalkersEnded((0, 1), ("a", "b")))
    assert len(out.of(m.Predict)) == 2


def test_serial_schedule_gives_every_batch_a_turn_of_its_own_with_the_versions_to_predict_with(exchange):
    host, out = exchange(run={"schedule": "serial"})
    propose(host, "generator/0")
    assert out == []
    host.receive("manager", m.Resume({"0": 3}))
    assert [x.versions for x in out.of(m.Predict)] == [{"0": 3}] * 2
    answer(host, 0, {0: [0, 0], 1: [0, 0]})
    assert out.one(m.Progress) == m.Progress(2, 0, 1)  # the manager waits for it
    propose(host, "generator/0", seq=1)
    assert len(out.of(m.Predict)) == 2
    host.receive("manager", m.Resume({"0": 4}))
    assert out.of(m.Predict)[-1].versions == {"0": 4}


def test_order_for_a_snapshot_follows_the_verdicts_to_the_walkers(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    answer(host, 0, {0: [0, 0], 1: [0, 0]})
    host.receive("manager", m.Snapshot(3))
    assert [type(x) for x in out.to("generator/0")] == [m.Verdicts, m.Snapshot]
    assert out.to("generator/1") == [m.Snapshot(3)]


def test_batch_is_sent_again_to_a_predictor_that_was_lost_and_is_back(exchange):
    host, out = exchange()
    propose(host, "generator/0")
    answer(host, 0, {1: [2, 2]})
    host.receive("manager", m.Lost(("prediction/0",)))
    out.clear()
    host.receive("manager", m.Back("prediction/0", 0))
    assert [(to, type(x)) for to, x in out] == [("prediction/0", m.Predict)]
    answer(host, 0, {0: [4, 4]})
    assert out.one(m.Verdicts).mean.columns["energy"].tolist() == [3, 3]
    answer(host, 0, {1: [9, 9]})  # late, of nothing that is under way
    assert len(out.of(m.Verdicts)) == 1


def test_queue_is_ranked_by_its_predictions(exchange):
    host, out = exchange()
    queue = Batch(SAMPLE, {"x": np.zeros((3, 2))})
    host.receive("manager", m.Rerank(9, queue))
    assert {p.batch_id for p in out.of(m.Predict)} == {0}
    answer(host, 0, {0: [1, 3, 2], 1: [1, 3, 2]})
    ranked = out.one(m.Ranked)
    assert (ranked.request, ranked.kept.tolist()) == (9, [1, 2, 0])
    assert out.of(m.Verdicts) == []
    assert host._work == {}


def test_no_payload_is_kept_after_its_answer(exchange):
    host, _ = exchange()
    for number in range(3):
        propose(host, "generator/0", seq=number)
        answer(host, number, {0: [0, 0], 1: [0, 0]})
    assert host._work == host._chunks == host._reranks == {}


class TestSelectionAtFault:
    """Wrong decisions are laid at the selection's door, not at that of whoever stumbles over them."""

    @pytest.mark.parametrize(
        ("fails", "what"),
        [
            ("select", "RuntimeError: no judgement today"),
            ("length", "ValueError: the decision's label must be 2 bools, found bool of shape (1,)"),
            ("indices", "ValueError: the decision's label must be 2 bools, found int64 of shape (2,)"),
        ],
    )
    def test_judging(self, exchange, fails, what):
        host, out = exchange(fails=fails)
        propose(host, "generator/0")
        answer(host, 0, {0: [0, 0], 1: [0, 0]})
        broken = out.one(m.Broken)
        assert broken.kernel.startswith(odd("Judge"))
        assert (broken.key, broken.what) == ("selection", what)
        assert out.of(m.Verdicts) == []
        host.receive("manager", m.Halt())
        assert out[-1] == ("manager", m.Halted())

    def test_ranking(self, exchange):
        host, out = exchange(fails="rerank")
        host.receive("manager", m.Rerank(1, Batch(SAMPLE, {"x": np.zeros((3, 2))})))
        answer(host, 0, {0: [1, 3, 2], 1: [1, 3, 2]})
        assert out.one(m.Broken).what == "IndexError: rerank keeps samples 0 to 3 of 3"
        assert out.of(m.Ranked) == []


class TestEnding:
    """Walkers first, then predictors."""

    def test_walkers_in_flight_are_answered_before_they_are_halted(self, exchange):
        host, out = exchange()
        propose(host, "generator/0")
        propose(host, "generator/1")
        out.clear()
        host.receive("manager", m.Quiet(6))
        assert out == [("generator/1", m.Halt(set=6))]  # its proposals were not predicted
        answer(host, 0, {0: [0, 0], 1: [0, 0]})
        assert [type(x) for x in out.to("generator/0")] == [m.Verdicts, m.Halt]
        host.receive("generator/0", m.Halted())
        assert out.of(m.WalkersQuiet) == []
        host.receive("generator/1", m.Halted())
        assert [type(x) for x in out.to("manager")] == [m.Progress, m.WalkersQuiet]
        assert host._chunks == {}

    def test_predictors_are_halted_with_the_versions_to_wait_for(self, exchange):
        host, out = exchange()
        host.receive("manager", m.Quiet(6))
        for sender in WALKERS:
            host.receive(sender, m.Halted())
        out.clear()
        host.receive("manager", m.Close({"0": 7, "1": 8}))
        assert out == [(f"prediction/{k}", m.Halt({"0": 7, "1": 8}, 6)) for k in (0, 1)]
        for k in (0, 1):
            host.receive(f"prediction/{k}", m.Halted())
        assert out[-1] == ("manager", m.Halted(6))
        assert host.halted
        host.receive("manager", m.Leave())
        assert host.left


class TestLostWalkers:
    """Orders go to hosts that are there; one that is back gets its own."""

    def test_orders_go_only_to_hosts_that_are_there(self, exchange):
        host, out = exchange()
        host.receive("manager", m.Lost(("generator/0",)))
        host.receive("manager", m.Explore())
        host.receive("manager", m.Snapshot(3))
        assert out.to("generator/0") == []
        assert out.to("generator/1") == [m.Explore(), m.Snapshot(3)]
        host.receive("manager", m.Back("generator/0", LIFE))
        assert out.to("generator/0") == [m.Explore()]
        host.receive("manager", m.Snapshot(4))
        assert out.to("generator/0") == [m.Explore(), m.Snapshot(4)]

    def test_one_that_is_back_before_walkers_set_off_sets_off_with_the_others(self, exchange):
        host, out = exchange()
        host.receive("manager", m.Lost(("generator/0",)))
        host.receive("manager", m.Back("generator/0", LIFE))
        assert out == []
        host.receive("manager", m.Explore())
        assert sorted(out) == [("generator/0", m.Explore()), ("generator/1", m.Explore())]

    def test_its_walkers_are_answered_once_it_is_back_and_every_message_in_its_turn(self, exchange):
        host, out = exchange()
        host.receive("manager", m.Explore())
        host.receive("manager", m.Lost(("generator/0",)))
        host.receive("manager", m.Back("generator/0", LIFE))
        propose(host, "generator/0", LIFE)
        answer(host, 0, {0: [0, 0], 1: [0, 0]})
        assert out.one(m.Verdicts).seq == LIFE
