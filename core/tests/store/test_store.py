"""What the store remembers of a run."""

from __future__ import annotations

import time

import numpy as np
import pytest

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.data import Field, Schema
from pal_core.store.store import Store, StoreError

RAGGED = Schema([Field("positions", shape=("atoms", 3))])
FORCES = Schema([Field("energy"), Field("forces", shape=("atoms", 3))])


@pytest.fixture
def store(tmp_path):
    store = Store(tmp_path, write=True)
    store.agree(SAMPLE, LABEL)
    store.open_session("{}", {"pal-core": "1"})
    yield store
    store.close()


@pytest.fixture
def clock(monkeypatch):
    """Time that passes when told to."""
    now = [1000.0]
    monkeypatch.setattr(time, "time", lambda: now[0])

    def pass_time(seconds: float = 1.0) -> None:
        now[0] += seconds

    return pass_time


def add(store: Store, *numbers: int, origin: str = "active", score: float | None = 0.5) -> None:
    for n in numbers:
        store.add_sample(n, {"x": np.array([n, 0.0])}, origin=origin, walker=n % 4, version=2, score=score)


def label(store: Store, *numbers: int, energy: float | None = None) -> None:
    for n in numbers:
        value = {"energy": np.array(float(n) if energy is None else energy), "gradient": np.array([n, n], float)}
        store.add_label(n, value, "pal.toy-oracle", "pal-core 0.1")


def test_sample_waits_until_it_is_labelled(store):
    add(store, 1, 2)
    assert [s.id for s in store.waiting()] == [1, 2]
    label(store, 1)
    assert [s.id for s in store.waiting()] == [2]
    assert store.labelled() == [1]
    assert store.counts() == {
        "samples_labelled": 1, "samples_waiting": 1, "labels_active": 1, "failed_attempts": 0, "dropped": 0
    }  # fmt: skip


def test_waiting_samples_come_back_with_their_records_oldest_first(store):
    add(store, 7, score=None)
    add(store, 3, origin="bootstrap", score=float("inf"))
    add(store, 5, score=float("nan"))
    add(store, 4)
    store.add_attempt(4, 1, "oracle/0", seconds=1.0, failure="crashed")
    store.add_attempt(4, 2, "oracle/1", seconds=1.0, failure="timeout", text="too long", evidence="the end")
    store.add_attempt(7, 1, "oracle/1", seconds=1.0)
    found = [(s.id, s.origin, s.walker, s.version, s.score, s.attempts) for s in store.waiting()]
    assert found == [
        (3, "bootstrap", 3, 2, None, 0),
        (4, "active", 0, 2, 0.5, 2),
        (5, "active", 1, 2, None, 0),
        (7, "active", 3, 2, None, 0),
    ]
    assert store.counts()["failed_attempts"] == 2


def test_next_number_is_beyond_all_stored_ones(store):
    assert store.next_sample == 1
    add(store, 41)
    assert store.next_sample == 42


def test_second_label_of_a_sample_is_ignored(store):
    add(store, 1)
    label(store, 1, energy=1.0)
    label(store, 1, energy=2.0)
    assert store.labels([1])[0]["energy"] == 1.0
    assert store.labelled() == [1]


def test_labels_come_in_the_order_of_labelling(store, clock):
    add(store, 1, 2, 3, 4)
    for number in (3, 1):
        label(store, number)
        clock()
    label(store, 4, 2)  # at the same time: by number
    assert store.labelled() == [3, 1, 2, 4]


def test_samples_and_labels_are_read_in_the_order_asked_for(store):
    numbers = list(range(1, 1201))  # more than SQLite takes at once
    add(store, *numbers)
    label(store, *numbers)
    asked = [1200, 3, 700, 3]
    assert store.samples(asked).columns["x"][:, 0].tolist() == asked
    assert store.labels(asked).columns["energy"].tolist() == asked
    assert store.samples(numbers).columns["x"][:, 0].tolist() == numbers
    assert len(store.samples([])) == len(store.labels([])) == 0


def test_unknown_number_is_named(store):
    add(store, 1)
    with pytest.raises(StoreError, match=r"has no samples of \[8, 9\]"):
        store.samples([1, 8, 9])
    with pytest.raises(StoreError, match=r"has no labels of \[1\]"):
        store.labels([1])


def test_quarantined_sample_neither_waits_nor_counts_as_labelled(store):
    add(store, 1, 2)
    store.quarantine(1, "gave up")
    store.quarantine(2, "huge", {"energy": np.array(1e9), "gradient": np.zeros(2)})
    assert store.waiting() == []
    assert store.labelled() == []
    assert store.is_quarantined(1)
    assert not store.is_quarantined(3)
    assert store.counts()["samples_quarantined"] == 2


def test_dropped_samples_are_counted_by_reason_and_session(store):
    add(store, 1, 2)
    store.drop([1], "queue full")
    store.drop([2], "queue full", unseen=3)
    store.drop([], "stopping", unseen=2)
    assert store.waiting() == []
    assert store.counts()["dropped"] == 7
    rows = store._run("SELECT session, why, count FROM dropped ORDER BY why")
    assert rows == [(1, "queue full", 5), (1, "stopping", 2)]
    store.open_session("{}", {})
    store.drop([], "stopping", unseen=1)
    assert store.counts()["dropped"] == 8


def test_round_of_a_label_is_the_first_that_trained_on_it(store):
    add(store, 1, 2)
    label(store, 1, 2)
    store.released([1], 3)
    store.released([1, 2], 4)
    assert [o["round"] for o in store.origins([1, 2])] == [3, 4]


def test_origin_tells_where_a_label_comes_from(store, clock):
    add(store, 5)
    clock()
    label(store, 5)
    assert store.origins([5]) == [
        {
            "sample": 5,
            "origin": "active",
            "walker": 1,
            "version": 2,
            "score": 0.5,
            "oracle": "pal.toy-oracle",
            "package": "pal-core 0.1",
            "round": None,
            "time": 1001.0,
            "level": None,
        }
    ]


class TestSessions:
    """Parts of a run."""

    def test_sessions_are_numbered_and_keep_their_settings_and_end(self, store, clock):
        store.end_session("interrupted", "asked to stop")
        clock()
        assert store.open_session('{"a": 1}', {}) == 2
        first, second = store.sessions()
        assert (first["id"], first["outcome"], first["reason"], first["ended"]) == (
            1, "interrupted", "asked to stop", 1000.0
        )  # fmt: skip
        assert (second["id"], second["started"], second["outcome"], second["settings"]) == (2, 1001.0, None, '{"a": 1}')

    def test_session_is_committed_when_it_begins(self, store):
        assert [s["id"] for s in Store(store.directory).sessions()] == [1]

    def test_steps_and_selected_are_those_of_the_newest_point(self, store):
        assert (store.steps(), store.selected()) == (0, 0)
        for steps in (0, 50, 70):
            store.add_history(steps, steps // 10, 2, 1)
        store.open_session("{}", {})
        assert (store.steps(), store.selected()) == (70, 7)
        store.add_history(100, 9, 2, 1)
        assert (store.steps(), store.selected()) == (100, 9)

    def test_history_is_a_table(self, store, clock):
        assert store.history().shape == (0, 6)
        store.add_history(50, 3, 2, 1)
        assert store.history().tolist() == [[1000.0, 1, 50, 3, 2, 1]]

    def test_rounds_come_with_their_metrics(self, store, clock):
        for member in (1, 0):
            store.add_round(1, member, version=3, epoch=9, labels=20, metrics={"loss": 0.5, "odd": float("nan")})
        store.add_round(1, 0, version=4, epoch=9, labels=20, metrics={})
        first, second = store.rounds()
        assert (first["member"], first["version"], first["metrics"]) == (0, 4, {})
        assert second["metrics"]["loss"] == 0.5
        assert np.isnan(second["metrics"]["odd"])
        assert set(first) == {"session", "round", "member", "time", "version", "epoch", "labels", "metrics"}

    def test_journal_gives_the_last_entries_oldest_first(self, store):
        for i in range(5):
            store.note("me", f"note {i}")
        assert [e["text"] for e in store.journal(2)] == ["note 3", "note 4"]
        assert set(store.journal()[0]) == {"time", "source", "text"}


class TestSchemas:
    """All sessions of a run store the same."""

    def test_schemas_are_those_of_the_first_session(self, store):
        assert store.schemas == (SAMPLE, LABEL)
        store.agree(SAMPLE, LABEL)
        assert Store(store.directory).schemas == (SAMPLE, LABEL)

    @pytest.mark.parametrize(
        ("samples", "labels", "what"), [(RAGGED, LABEL, "samples"), (SAMPLE, LABEL.pick(["energy"]), "labels")]
    )
    def test_other_schemas_are_refused(self, store, samples, labels, what):
        with pytest.raises(StoreError) as error:
            store.agree(samples, labels)
        found = dict(zip(("samples", "labels"), ((SAMPLE, samples), (LABEL, labels)), strict=True))[what]
        assert f"holds {what} of {found[0]}, the settings' kernels make {found[1]}" in error.value.message
        assert error.value.hint == "use another run.directory"

    def test_agreement_is_heeded_although_schemas_were_asked_for_before(self, tmp_path):
        store = Store(tmp_path, write=True)
        assert store.schemas == (Schema(), Schema())
        store.agree(SAMPLE, LABEL)
        assert store.schemas == (SAMPLE, LABEL)
        store.close()

    def test_ragged_samples_and_labels_join(self, tmp_path):
        store = Store(tmp_path, write=True)
        store.agree(RAGGED, FORCES)
        for n in (1, 2):
            store.add_sample(n, {"positions": np.full((n, 3), n)}, origin="active", walker=0, version=0, score=None)
            store.add_label(n, {"energy": n, "forces": np.full((n, 3), -n)}, "k", "p")
        both = store.samples([2, 1]).join(store.labels([2, 1]))
        assert both.offsets.tolist() == [0, 2, 3]
        assert both.columns["forces"][:, 0].tolist() == [-2, -2, -1]
        store.close()


def test_audit_is_never_unused(store):
    store.agree(SAMPLE, LABEL, LABEL)
    for number, origin in enumerate(("active", "audit", "initial audit", "bootstrap", "audit"), 1):
        expected = {"energy": 1.0, "gradient": [0, 0]} if number == 2 else None
        store.add_sample(
            number, {"x": [number, 0]}, origin=origin, walker=0, version=1, score=number / 10, expected=expected
        )
        label(store, number)
    assert store.unused(0) == [1, 4]
    assert store.audited() == [2], "of the others nobody knows what was expected"
    assert store.audit_counts() == {"labelled": 2}
    assert store.scores([5, 1]).tolist() == [0.5, 0.1]
    assert len(set(store.digests([1, 2, 3, 4, 5]))) == 5
    assert store.expectations([2]).columns["energy"].tolist() == [1.0]
