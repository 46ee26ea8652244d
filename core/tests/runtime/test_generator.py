"""The walkers' host: batches out, verdicts back."""

from __future__ import annotations

import time
from dataclasses import replace

import numpy as np
import pytest
from worlds import make_setup, odd, started, work_until

from pal_core import messages as m
from pal_core.builtin.schema import LABEL
from pal_core.data import Batch
from pal_core.data.committee import as_floats, covariance_schema
from pal_core.runtime.generator import GeneratorHost
from pal_core.runtime.snapshots import SetReader


def counters(folder, walkers=3, run=None, past=0, **options):
    """A host of walkers that count, and its outbox; `past` is the snapshot set that they go on from."""
    table = {"kernel": odd("Counter"), "walkers": walkers, "options": options}
    setup = replace(make_setup(folder, generator=table, run=run or {}), set=past)
    return started(GeneratorHost, setup, "generator/0")


def saved_counts(folder, number: int) -> list[int]:
    """Where the walkers stand in a snapshot set."""
    past = SetReader(folder / "run", number)
    return [int(past.state(f"walker/{k}")["count"]) for k in range(3)]


def verdicts(proposals: m.Proposals, trusted=True, selected=False, version=3) -> m.Verdicts:
    n = len(proposals.walkers)
    mean = Batch(as_floats(LABEL), {"energy": np.arange(n) + 0.5, "gradient": np.ones((n, 2))}, size=n)
    std = Batch(as_floats(LABEL), {"energy": np.zeros(n), "gradient": np.full((n, 2), 0.1)}, size=n)
    flags = np.full(n, trusted), np.full(n, selected)
    return m.Verdicts(proposals.seq, mean, std, np.arange(n) * 1.0, *flags, version)


def explore(host, out) -> m.Proposals:
    host.receive("manager", m.Explore())
    return work_until(host, out, m.Proposals)


def test_vote_carries_every_walkers_first_sample(tmp_path):
    _, out = counters(tmp_path)
    np.testing.assert_array_equal(out.one(m.Ready).first.columns["x"], [[0, 0], [1, 0], [2, 0]])


def test_walker_hears_the_covariances_that_it_reads(tmp_path):
    setup = make_setup(tmp_path, generator={"kernel": odd("Correlator"), "walkers": 3, "options": {}})
    host, out = started(GeneratorHost, setup, "generator/0")
    verdict = verdicts(explore(host, out))
    schema = covariance_schema(LABEL, [("energy", "gradient")])
    name = "covariance of energy and gradient"
    host.receive("exchange", replace(verdict, covariances=Batch(schema, {name: [[1, 2], [3, 4], [5, 6]]})))
    out.clear()
    work_until(host, out, m.Proposals)
    heard = [walker.kernel.heard[-1].covariance for walker in host._walkers.values()]
    assert [list(c) for c in heard] == [[("energy", "gradient")]] * 3
    assert [c["energy", "gradient"].tolist() for c in heard] == [[1, 2], [3, 4], [5, 6]]


def test_walkers_know_how_many_they_are(tmp_path):
    host, _ = counters(tmp_path, walkers=3)
    contexts = [w.kernel.context for w in host._walkers.values()]
    assert [(c.index, c.count) for c in contexts] == [(0, 3), (1, 3), (2, 3)]


def test_nothing_is_proposed_before_walkers_may_explore(tmp_path):
    host, out = counters(tmp_path)
    assert host.work(time.monotonic()) is False
    assert out.of(m.Proposals) == []


def test_first_proposals_are_the_first_samples_in_one_message(tmp_path):
    host, out = counters(tmp_path)
    proposals = explore(host, out)
    assert out[-1][0] == "exchange"
    assert proposals.seq == 0
    np.testing.assert_array_equal(proposals.walkers, [0, 1, 2])
    np.testing.assert_array_equal(proposals.batch.columns["x"], [[0, 0], [1, 0], [2, 0]])
    assert host.work(time.monotonic()) is False


def test_every_walker_hears_its_own_verdict(tmp_path):
    host, out = counters(tmp_path)
    host.receive("exchange", verdicts(explore(host, out), trusted=False, selected=True))
    out.clear()
    again = work_until(host, out, m.Proposals)
    assert again.seq == 1
    np.testing.assert_array_equal(again.batch.columns["x"], [[0, 1], [1, 1], [2, 1]])
    for index, walker in host._walkers.items():
        feedback = walker.kernel.heard[-1]
        assert float(feedback.mean["energy"]) == index + 0.5
        assert feedback.std["gradient"].tolist() == [0.1, 0.1]
        assert (feedback.score, feedback.trusted, feedback.selected, feedback.version) == (index, False, True, 3)
        assert type(feedback.trusted) is type(feedback.selected) is bool


def test_verdicts_on_several_messages_come_in_any_order(tmp_path):
    host, out = counters(tmp_path, walkers=4, slow=0.03)
    first = explore(host, out)
    host.receive("exchange", verdicts(first))
    while sum(len(p.walkers) for p in out.of(m.Proposals)) < 8:
        host.work(time.monotonic())
    parts = out.of(m.Proposals)[1:]
    assert len(parts) == 4  # a slow walker doesn't hold up the others: each leaves when it is ready
    for part in reversed(parts):
        host.receive("exchange", verdicts(part))
    while sum(len(p.walkers) for p in out.of(m.Proposals)) < 12:
        host.work(time.monotonic())
    last = np.concatenate([p.batch.columns["x"] for p in out.of(m.Proposals)[5:]])
    np.testing.assert_array_equal(last, [[3, 2], [2, 2], [1, 2], [0, 2]])


def test_fast_walkers_leave_together(tmp_path):
    host, out = counters(tmp_path, walkers=50)
    host.receive("exchange", verdicts(explore(host, out)))
    host.work(time.monotonic())
    assert [len(p.walkers) for p in out.of(m.Proposals)] == [50, 50]


def test_walkers_that_end_are_told_of_and_asked_no_more(tmp_path):
    host, out = counters(tmp_path, steps=1)
    host.receive("exchange", verdicts(explore(host, out)))
    ended = work_until(host, out, m.WalkersEnded)
    assert out[-1][0] == "exchange"
    assert ended == m.WalkersEnded((0, 1, 2), ("counted enough",) * 3)
    assert host.work(time.monotonic()) is False
    assert len(out.of(m.Proposals)) == 1


def test_walkers_that_end_before_their_first_proposal(tmp_path):
    host, out = counters(tmp_path, steps=0)
    assert len(out.one(m.Ready).first) == 0
    host.receive("manager", m.Explore())
    assert work_until(host, out, m.WalkersEnded).walkers == (0, 1, 2)
    assert out.of(m.Proposals) == []


@pytest.mark.parametrize(("count", "walkers"), [(2, [0, 1]), (7, [0, 1, 2, 0, 1, 2, 0])])
def test_bootstrap_is_dealt_out_to_the_walkers_in_turn(tmp_path, count, walkers):
    host, out = counters(tmp_path)
    host.receive("manager", m.Bootstrap(count))
    candidates = work_until(host, out, m.Candidates)
    assert out[-1][0] == "manager"
    assert candidates.walkers.tolist() == walkers
    np.testing.assert_array_equal(candidates.batch.columns["x"], [[w, -1] for w in walkers])
    assert host.work(time.monotonic()) is False
    np.testing.assert_array_equal(explore(host, out).batch.columns["x"], [[0, 0], [1, 0], [2, 0]])


def test_slow_walkers_in_lock_step_leave_together_in_their_order(tmp_path):
    host, out = counters(tmp_path, slow=0.03, run={"batching": "all"})
    host.receive("exchange", verdicts(explore(host, out)))
    host._todo.rotate(1)
    again = work_until_count(host, out, 2)
    assert again.walkers.tolist() == [0, 1, 2]


def work_until_count(host, out, count: int) -> m.Proposals:
    """Let a host work until it has posted so many proposals; the last of them."""
    end = time.monotonic() + 10
    while len(out.of(m.Proposals)) < count:
        assert time.monotonic() < end
        host.work(time.monotonic())
    return out.of(m.Proposals)[-1]


def test_halt_saves_closes_and_tells_manager_and_exchange(tmp_path):
    host, out = counters(tmp_path)
    explore(host, out)
    host.receive("exchange", m.Halt(set=2))
    assert out[-2:] == [("manager", m.Halted(2)), ("exchange", m.Halted())]
    assert all(w.kernel.closed for w in host._walkers.values())
    assert saved_counts(tmp_path, 2) == [0, 0, 0]
    host.receive("manager", m.Halt(set=3))
    assert len(out.to("exchange")) == 2  # proposals and one farewell
    assert not (tmp_path / "run/snapshots/000003").exists()


def test_verdicts_that_came_before_the_halt_are_heard(tmp_path):
    host, out = counters(tmp_path)
    host.receive("exchange", verdicts(explore(host, out)))
    host.receive("exchange", m.Halt(set=1))
    assert len(out.of(m.Proposals)) == 1
    assert saved_counts(tmp_path, 1) == [1, 1, 1]
    _, out = counters(tmp_path, past=1)
    np.testing.assert_array_equal(out.one(m.Ready).first.columns["x"], [[0, 1], [1, 1], [2, 1]])


def test_proposals_without_verdict_are_made_again_after_a_restart(tmp_path):
    host, out = counters(tmp_path)
    host.receive("exchange", verdicts(explore(host, out)))
    host.work(time.monotonic())
    host.receive("exchange", m.Halt(set=1))
    _, out = counters(tmp_path, past=1)
    np.testing.assert_array_equal(out.one(m.Ready).first.columns["x"], [[0, 1], [1, 1], [2, 1]])


class TestSnapshots:
    """Parts of snapshot sets while walkers go on."""

    def told(self, host, out) -> m.Saved:
        """Tick until the part is written."""
        end = time.monotonic() + 10
        while not out.of(m.Saved):
            assert time.monotonic() < end
            host.tick(time.monotonic())
        return out.of(m.Saved)[-1]

    def test_part_is_written_when_asked_for_and_the_manager_told(self, tmp_path):
        host, out = counters(tmp_path)
        host.receive("exchange", verdicts(explore(host, out)))
        host.receive("exchange", m.Snapshot(5))
        assert not (tmp_path / "run/snapshots").exists()
        host.work(time.monotonic())
        assert self.told(host, out) == m.Saved(5)
        assert saved_counts(tmp_path, 5) == [0, 0, 0]
        assert len(out.of(m.Proposals)) == 2

    def test_serial_schedule_waits_until_walkers_have_heard_their_verdicts(self, tmp_path):
        host, out = counters(tmp_path, slow=0.03, run={"schedule": "serial"})
        host.receive("exchange", verdicts(explore(host, out)))
        host.receive("exchange", m.Snapshot(5))
        while host._todo:
            host.work(time.monotonic())
        host.work(time.monotonic())
        assert self.told(host, out) == m.Saved(5)
        assert saved_counts(tmp_path, 5) == [1, 1, 1]

    def test_walkers_without_a_state_need_no_file(self, tmp_path, monkeypatch):
        host, out = counters(tmp_path)
        for walker in host._walkers.values():
            monkeypatch.setattr(walker.kernel, "snapshot", dict)
        host.receive("exchange", m.Snapshot(5))
        host.work(time.monotonic())
        assert self.told(host, out) == m.Saved(5)
        assert not (tmp_path / "run/snapshots").exists()


def test_message_for_walkers_after_the_halt_changes_nothing(tmp_path):
    host, out = counters(tmp_path)
    proposals = explore(host, out)
    host.receive("exchange", m.Halt())
    out.clear()
    host.receive("exchange", verdicts(proposals))
    assert host.work(time.monotonic()) is False
    assert out == []
