"""Sets, rewinding, and what becomes of samples ahead."""

from __future__ import annotations

import numpy as np
import pytest
from stores import add, label, open_store, value

from pal_core.store.store import Store, StoreError


@pytest.fixture
def store(tmp_path):
    store = open_store(tmp_path)
    yield store
    store.close()


def states(store: Store) -> dict[int, str]:
    return dict(store._run("SELECT id, state FROM samples"))


def x(number: float) -> dict[str, np.ndarray]:
    return {"x": np.array([number, 0.0])}


class TestSets:
    """Snapshot sets."""

    def test_last_set_is_the_one_with_the_highest_number(self, store):
        assert store.last_set() is None
        store.add_set(1, {"files": ["a.safetensors"], "steps": 5})
        store.add_set(12, {"files": []})
        store.add_set(3, {"files": []})
        assert store.last_set() == (12, {"files": []})
        store.drop_sets(12)
        assert store.sets() == [(12, {"files": []})]

    def test_set_counts_once_it_is_committed(self, store):
        store.add_set(1, {})
        assert Store(store.directory).last_set() is None
        store.commit()
        assert Store(store.directory).last_set() == (1, {})

    def test_set_that_is_made_again_replaces_the_first(self, store):
        store.add_set(1, {"steps": 1})
        store.add_set(1, {"steps": 2})
        assert store.last_set() == (1, {"steps": 2})


class TestRewinding:
    """Back to the last set of a deterministic run."""

    @pytest.fixture
    def far(self, store):
        """Numbers from 4 on came after the set; round 2 as well."""
        add(store, *range(1, 10))
        label(store, 1, 2, 4, 5)
        store.quarantine(6, "huge", value(1e9), kernel="k", package="p", level="L")
        store.quarantine(7, "gave up")
        store.add_attempt(7, 1, "oracle/0", seconds=1.0, failure="crashed")
        store.add_attempt(9, 1, "oracle/0", seconds=1.0, failure="crashed")
        store.drop([9, 3], "queue full")
        for number in (1, 2):
            store.add_round(number, 0, version=number, epoch=1, labels=1, metrics={})
        store.released([1], 1)
        store.released([2, 4], 2)
        store.rewind(4, 1)
        return store

    def test_samples_beyond_are_ahead_and_others_stay(self, far):
        assert states(far) == {
            1: "labelled", 2: "labelled", 3: "dropped", 4: "ahead", 5: "ahead", 6: "ahead", 7: "ahead", 8: "ahead"
        }  # fmt: skip

    def test_samples_ahead_do_not_count(self, far):
        assert far.waiting() == []
        assert far.labelled() == [1, 2]
        assert far.quarantined() == []
        assert not far.is_quarantined(6)
        assert far.counts() == {
            "samples_labelled": 2, "samples_dropped": 1, "labels_active": 2, "failed_attempts": 1, "dropped": 2
        }  # fmt: skip
        assert far.twin(x(4), "") is None
        assert far.twin(x(6), "") is None

    def test_rounds_beyond_are_gone_and_their_labels_unused(self, far):
        assert [r["round"] for r in far.rounds()] == [1]
        assert [o["round"] for o in far.origins([1, 2])] == [1, None]

    def test_rewinding_is_committed_at_once(self, far):
        assert states(Store(far.directory)) == states(far)

    def test_attempts_of_what_was_deleted_are_gone_too(self, far):
        assert far._run("SELECT DISTINCT sample FROM attempts") == [(7,)]
        assert far._run("PRAGMA foreign_key_check") == []

    def test_sample_that_is_proposed_again_waits_and_has_its_label(self, far):
        assert far.resume_ahead(4, x(4))
        assert [s.id for s in far.waiting()] == [4]
        kept = far.ahead_label(4)
        assert kept["energy"] == 4.0
        far.add_label(4, kept, "other", "other 2", "level")
        assert far.labelled() == [1, 2, 4]
        assert far.origins([4])[0]["oracle"] == "pal.toy-oracle", "who made it made it"

    def test_refused_label_is_there_to_be_judged_again(self, far):
        assert far.resume_ahead(6, x(6))
        kept = far.ahead_label(6)
        assert kept["energy"] == 1e9
        far.quarantine(6, "huge again", kept)
        assert [q["reason"] for q in far.quarantined()] == ["huge again"]

    def test_refused_label_that_passes_this_time_is_admitted(self, far):
        assert far.resume_ahead(6, x(6))
        far.add_label(6, far.ahead_label(6), "k", "p", "L")
        assert far.labels([6])[0]["energy"] == 1e9
        assert far.quarantined() == []
        far.rewind(4, 1)
        far.forget_ahead()
        assert states(far)[6] == "labelled"

    def test_sample_without_a_label_is_labelled_anew(self, far):
        assert far.resume_ahead(8, x(8))
        assert far.resume_ahead(7, x(7))
        assert far.ahead_label(8) is None
        assert far.ahead_label(7) is None

    def test_unknown_number_is_new(self, far):
        assert not far.resume_ahead(9, x(9))
        assert not far.resume_ahead(1, x(1))
        add(far, 9)
        assert far.next_sample == 10

    def test_other_content_is_an_error_that_names_the_sample(self, far):
        with pytest.raises(StoreError) as error:
            far.resume_ahead(5, x(5.5))
        assert error.value.message == (
            "the run isn't deterministic: sample 5 differs from the one stored before the restart"
        )
        assert 'run.batching = "ready"' in error.value.hint
        assert states(far)[5] == "ahead"

    def test_dropped_sample_with_a_kept_label_goes_back_ahead(self, far):
        assert far.resume_ahead(4, x(4))
        assert far.resume_ahead(8, x(8))
        far.drop([4, 8], "queue full")
        assert (states(far)[4], states(far)[8]) == ("ahead", "dropped")

    def test_what_is_still_ahead_in_the_end_keeps_its_label(self, far):
        assert far.forget_ahead() == 5
        assert states(far) == {
            1: "labelled", 2: "labelled", 3: "dropped", 4: "labelled", 5: "labelled", 6: "quarantined",
            7: "quarantined", 8: "dropped",
        }  # fmt: skip
        assert far.labelled() == [1, 2, 4, 5]
        assert [(q["sample"], q["has_label"]) for q in far.quarantined()] == [(6, True), (7, False)]
        assert far.forget_ahead() == 0

    def test_rewinding_twice_is_rewinding_once(self, far):
        before = list(far._db.iterdump())
        far.rewind(4, 1)
        assert list(far._db.iterdump()) == before

    def test_discarded_sample_with_a_label_is_not_deleted(self, far):
        far.forget_ahead()
        far.discard([6, 7])
        far.rewind(4, 1)
        assert states(far)[6] == "ahead"
        assert 7 not in states(far)
        far.forget_ahead()
        assert states(far)[6] == "dropped"
