"""The manager's shell: what is stored, when, and who is told."""

from __future__ import annotations

import os

import numpy as np
import pytest
from worlds import labels_of, odd, points

from pal_core import messages as m
from pal_core.builtin.schema import SAMPLE
from pal_core.data import Batch
from pal_core.errors import PalError
from pal_core.store.store import Store


class TestStart:
    """Votes, inspection, bootstrap."""

    def test_session_is_written_down_with_settings_and_packages(self, story):
        store = story().store
        (session,) = store.sessions()
        assert session["pid"] == os.getpid()
        assert '"labels":40' in session["settings"]
        assert "pal" in store._run("SELECT packages FROM sessions")[0][0]

    def test_oracle_inspects_all_first_samples_when_everybody_is_ready(self, story):
        s = story()
        for part in s.setup.plan.parts[1:-1]:
            s.say(part.address, m.Ready(points(2) if part.role == "generator" else None))
        assert s.out == []
        s.say(s.setup.plan.parts[-1].address, m.Ready())
        ((to, inspect),) = s.out
        assert to == "oracle/0"
        assert len(inspect.batch) == 4

    def test_everybody_is_told_to_go_and_walkers_share_the_bootstrap(self, story):
        s = story(generator={"walkers": 3}).begin()
        assert {to for to, x in s.out if isinstance(x, m.Go)} == {p.address for p in s.setup.plan.parts[1:]}
        assert [(to, x.count) for to, x in s.out if isinstance(x, m.Bootstrap)] == [
            ("generator/0", 4), ("generator/1", 8)
        ]  # fmt: skip

    def test_problems_of_the_first_samples_end_the_run_with_kernel_and_reason(self, story):
        s = story()
        for part in s.setup.plan.parts[1:]:
            s.say(part.address, m.Ready())
        s.say("oracle/0", m.Inspected(("an unknown element",)))
        assert (
            "oracle pal.toy-oracle (settings table [oracle]) can't label a walker's first sample: an unknown element"
            in s.host.status()["reason"]
        )
        assert len(s.out.of(m.Halt)) == len(s.setup.plan.parts) - 1

    def test_constructor_that_raised_ends_the_run_with_kernel_table_and_rank(self, story):
        s = story()
        s.say("training/1", m.Broken("schnet.committee (pal-schnet 1)", "model", "ValueError: bad", "Traceback ..."))
        reason = s.host.status()["reason"]
        rank = s.setup.plan.ranks["training/1"]
        wanted = f"kernel schnet.committee (pal-schnet 1), settings table [model], rank {rank}, training/1: ValueError"
        assert wanted in reason
        assert s.host.trace == "Traceback ..."
        assert [e["source"] for e in s.store.journal()] == ["training/1", "training/1"]
        assert s.store.journal()[-1]["text"] == "Traceback ..."


class TestWrittenAhead:
    """A sample is committed before it is dispatched, a label before anything follows from it."""

    def test_whatever_is_sent_has_been_committed(self, story, tmp_path):
        seen = []

        def post(to, message):
            reader = Store(tmp_path / "run")
            if isinstance(message, m.Label):
                assert message.request in {w.id for w in reader.waiting()}
                assert len(reader.samples([message.request])) == 1
            if isinstance(message, m.Train):
                assert set(reader.labelled()) >= {1, 2, 3}
                assert len(message.batch) == 3
            seen.append(type(message))
            reader.close()

        s = story(post=post, data={"bootstrap": 3}).begin()
        s.bootstrap(3)
        while s.flying:
            s.label(*s.flying[0])
        assert seen.count(m.Label) == 3
        assert seen.count(m.Train) == 2

    def test_nothing_is_sent_before_the_turn_is_over(self, story):
        s = story().begin()
        s.host.receive("generator/1", m.Candidates(np.zeros(1, np.int64), points(1, seed=1)))
        s.out.clear()
        s.host.receive("generator/0", m.Candidates(np.zeros(3, np.int64), points(3)))
        assert s.out == []
        assert s.host.work(0.0) is True
        assert len(s.out.of(m.Label)) == 2
        assert s.host.work(0.0) is False

    def test_idle_turn_commits_too(self, story, tmp_path):
        s = story()
        s.host.receive("exchange", m.Note("selection 0", "hello"))
        assert s.host.work(0.0) is False
        assert Store(tmp_path / "run").journal()[-1]["text"] == "hello"


class TestLabels:
    """Answers of oracles."""

    def test_label_is_stored_with_its_kernel_and_attempt(self, story):
        s = story().explore()
        s.select(0.5)
        ((host, number),) = s.flying
        right = labels_of(s.store.samples([number]))
        s.label(host, number)
        np.testing.assert_array_equal(s.store.labels([number]).columns["energy"], right.columns["energy"])
        (origin,) = s.store.origins([number])
        assert (origin["origin"], origin["walker"], origin["version"], origin["score"]) == ("active", 0, 4, 0.5)
        assert origin["oracle"] == "pal.toy-oracle"
        assert (number, host, None) in s.rows("SELECT sample, host, failure FROM attempts")

    def test_sample_that_its_walker_wants_is_told_from_selected_ones_and_outlives_a_full_queue(self, story):
        s = story(oracle={"queue": 2}).explore()
        s.select(0.5, 0.6)  # both fly
        waiting = "SELECT origin, score FROM samples WHERE state = 'waiting' AND score NOT IN (0.5, 0.6)"
        s.select(0.1, wanted=True)
        s.select(0.7, 0.8, 0.9)
        assert s.rows(waiting) == [("wanted", 0.1), ("active", 0.9)]
        s.select(0.2, wanted=True)
        s.select(0.3, 0.4, wanted=True)  # no room: nothing can be dropped for them
        assert s.rows(waiting) == [("wanted", 0.1), ("wanted", 0.2)]

    def test_selected_sample_that_its_walker_wants_later_is_not_dropped_either(self, story):
        s = story(oracle={"queue": 2}).explore()
        s.select(0.5, 0.6)  # both fly
        s.select(0.1)
        s.seed -= 1  # the same sample again
        s.select(0.1, wanted=True)
        s.select(0.7, 0.8)
        waiting = "SELECT origin, score FROM samples WHERE state = 'waiting' AND score NOT IN (0.5, 0.6)"
        assert s.rows(waiting) == [("wanted", 0.1), ("active", 0.8)]

    def test_repeated_and_foreign_labels_change_nothing(self, story):
        s = story().explore()
        s.select(0.5, 0.6)
        (host, number), (other, second) = s.flying
        s.label(other, number)  # not its sample
        assert s.rows("SELECT COUNT(*) FROM attempts") == [(12,)]
        s.label(host, number, energy=1.0)
        s.label(host, number, energy=2.0)
        s.miss(host, number)
        assert s.store.labels([number])[0]["energy"] == 1.0
        assert s.rows("SELECT COUNT(*) FROM attempts") == [(13,)]
        assert s.host.status()["labels"] == 13
        assert s.flying == [(other, second)]

    def test_failed_sample_is_tried_again_elsewhere_and_then_given_up_with_its_reason(self, story):
        s = story(oracle={"retries": 1}).explore()
        s.select(0.5)
        ((host, number),) = s.flying
        s.miss(host, number)
        assert s.out.of(m.Label)[-1].attempt == 2
        ((again, same),) = s.flying
        assert same == number
        assert again != host
        s.miss(again, number, "timeout")
        assert s.rows("SELECT sample, reason FROM quarantine") == [(number, "timeout: no luck (attempts: 2)")]
        assert s.rows("SELECT failure, text, evidence FROM attempts WHERE failure IS NOT NULL") == [
            ("unconverged", "no luck", "the last lines"),
            ("timeout", "no luck", "the last lines"),
        ]
        status = s.host.status()
        assert (status["failed_attempts"], status["quarantined"]) == (2, 1)

    def test_invalid_input_is_not_tried_again(self, story):
        s = story(oracle={"retries": 5}).explore()
        s.select(0.5)
        s.miss(*s.flying[0], "invalid_input")
        assert s.flying == []
        assert s.rows("SELECT reason FROM quarantine") == [("invalid_input: no luck (attempts: 1)",)]

    def test_label_that_a_check_objects_to_is_set_aside_with_its_values(self, story):
        s = story(check=[{"kernel": "pal.finite"}, {"kernel": odd("Suspicious"), "options": {"below": -500.0}}])
        s.explore()
        s.select(0.5, 0.6)
        for (host, number), energy in zip(s.flying, (-1000.0, float("nan")), strict=True):
            s.label(host, number, energy)
        reasons = dict(s.rows("SELECT sample, reason FROM quarantine"))
        assert sorted(reasons.values()) == ["energy -1000.0", "energy: 1 of 1 values are not finite"]
        assert all(blob for (blob,) in s.rows("SELECT data FROM quarantine"))
        assert not set(reasons) & set(s.store.labelled())
        assert s.host.status()["quarantined"] == 2
        assert s.host.status()["labels"] == 12

    def test_check_that_raises_ends_the_run_with_its_name_and_the_label_is_set_aside(self, story):
        s = story(check=[{"kernel": odd("Suspicious"), "options": {"how": "check"}}]).begin()
        s.bootstrap(3)
        host, number = s.flying[0]
        s.label(host, number)
        reason = s.host.status()["reason"]
        assert f"kernel {odd('Suspicious')}, settings table [check], rank 0" in reason
        assert "ZeroDivisionError: one over nothing" in reason
        ((sample, why, data),) = s.rows("SELECT sample, reason, data FROM quarantine")
        assert (sample, why) == (number, "a check raised: ZeroDivisionError: one over nothing")
        assert data is not None
        assert number not in {w.id for w in s.store.waiting()}
        assert len(s.store.waiting()) == 2
        assert s.rows("SELECT COUNT(*) FROM attempts") == [(1,)]
        assert s.out.of(m.Halt)

    def test_check_that_cannot_be_built_is_named_and_lets_go_of_the_run(self, story, tmp_path):
        with pytest.raises(PalError) as error:
            story(check=[{"kernel": odd("Suspicious"), "options": {"how": "build"}}])
        assert str(error.value) == f"kernel {odd('Suspicious')}, settings table [check]: ValueError: no check today"
        Store(tmp_path / "run", write=True).close()

    def test_notes_of_checks_go_to_the_journal(self, story):
        s = story(check=[{"kernel": odd("Suspicious"), "options": {"how": "note"}}]).explore()
        assert ("check", "had a look") in s.rows("SELECT source, text FROM journal")


class TestQueue:
    """Samples that wait."""

    def test_least_interesting_sample_is_dropped_and_counted(self, story):
        s = story(oracle={"queue": 2}).explore()
        s.select(0.9, 0.8)  # fly
        s.select(0.5, 0.3, 0.4, 0.2)
        assert [w.score for w in s.store.waiting()] == [0.9, 0.8, 0.5, 0.4]
        assert s.rows("SELECT why, count FROM dropped") == [("queue full", 2)]
        assert s.rows("SELECT COUNT(*) FROM samples WHERE state = 'dropped'") == [(1,)]  # one was never stored
        assert s.host.status()["dropped"] == 2
        assert s.host._desk._fresh == {}

    @pytest.mark.parametrize("score", [float("nan"), float("inf")])
    def test_sample_of_unknown_score_is_kept_longest(self, story, score):
        s = story(oracle={"queue": 1}).explore()
        s.select(0.9, 0.8)
        s.select(score)
        s.select(5.0)
        assert [w.score for w in s.store.waiting()] == [0.9, 0.8, None]

    def test_ranking_reorders_and_drops(self, story):
        s = story(selection={"rerank": True}, training={"retrain_after": 10}).explore()
        s.select(0.9, 0.8, 0.7, 0.6, 0.5)
        first, second, third = (w.id for w in s.store.waiting() if w.id not in dict(s.flying).values())
        s.host._machine.rounds.sizes.append(0)
        s.host._teaching._trained_on[2] = 12
        s.round(2)
        ((to, rerank),) = [(to, x) for to, x in s.out if isinstance(x, m.Rerank)]
        assert to == "exchange"
        np.testing.assert_array_equal(rerank.batch.columns["x"], s.store.samples([first, second, third]).columns["x"])
        s.say("exchange", m.Ranked(rerank.request, np.array([2, 0])))
        assert list(s.host._machine.queue.waiting) == [third, first]
        assert s.rows("SELECT why, count FROM dropped") == [("reranked", 1)]
        assert second not in {w.id for w in s.store.waiting()}


class TestRounds:
    """Labels to trainers, rounds to the store."""

    def test_release_goes_to_every_trainer_with_samples_labels_and_validation(self, story):
        s = story(training={"validation": 0.5}).begin()
        s.bootstrap(12)
        while s.flying:
            s.label(*s.flying[0])
        trains = [(to, x) for to, x in s.out if isinstance(x, m.Train)]
        assert [to for to, _ in trains] == ["training/0", "training/1"]
        train = trains[0][1]
        assert train.round == 1
        assert list(train.batch.schema) == ["x", "energy", "gradient"]
        np.testing.assert_array_equal(
            labels_of(train.batch.pick(SAMPLE)).columns["energy"], train.batch.columns["energy"]
        )
        assert 0 < train.validation.sum() < 12
        assert {r for (r,) in s.rows("SELECT round FROM labels")} == {1}

    def test_round_is_stored_for_every_member_with_the_labels_it_was_trained_on(self, story):
        s = story().explore()
        s.select(*[0.5] * 11)
        for _ in range(10):
            s.label(*s.flying[0])
        assert len(s.out.of(m.Train)) == 2
        s.label(*s.flying[0])  # one more label while the second round is trained on
        s.round(2)
        found = [(r["round"], r["member"], r["version"], r["epoch"], r["labels"]) for r in s.store.rounds()]
        assert found == [(1, 0, 4, 9, 12), (1, 1, 4, 9, 12), (2, 0, 4, 9, 22), (2, 1, 4, 9, 22)]
        assert s.host.status()["members"]["1"] == {"version": 4, "epoch": 9, "metrics": {"loss": 0.5}}

    def test_predictors_are_ended_with_the_versions_of_the_last_rounds(self, story):
        s = story(stop={"labels": 12}).explore()
        for part in s.setup.plan.parts:
            if part.role in ("training", "oracle"):
                s.say(part.address, m.Trained() if part.role == "training" else m.Pulse(0.1))
        s.say("exchange", m.WalkersQuiet())
        for part in s.setup.plan.parts:
            if part.role in ("training", "oracle"):
                s.say(part.address, m.Halted())
        assert s.out.one(m.Close).versions == {"0": 4, "1": 4}


def test_numbers_of_bootstrap_samples_do_not_depend_on_ranks(story):
    """Four walkers on two hosts, seven samples: the first three walkers propose two."""
    s = story(data={"bootstrap": 7}).begin()
    shares = {to: x.count for to, x in s.out if isinstance(x, m.Bootstrap)}
    assert shares == {"generator/0": 4, "generator/1": 3}
    for sender, walkers in (("generator/1", [2, 3, 2]), ("generator/0", [0, 1, 0, 1])):
        x = np.array([[w, k // 2] for k, w in enumerate(walkers)], float)
        s.say(sender, m.Candidates(np.array(walkers), Batch(SAMPLE, {"x": x}, size=len(x))))
    stored = s.store.samples(range(1, 8)).columns["x"]
    np.testing.assert_array_equal(stored, [[0, 0], [1, 0], [2, 0], [3, 0], [0, 1], [1, 1], [2, 1]])
