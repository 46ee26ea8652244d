"""Whole runs with training policies."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from killing import count, kill_when, start
from worlds import plugins, toy

from pal_core import api
from pal_core.auditing import audit_line, audit_of
from pal_core.builtin.surface import muller_brown
from pal_core.policies.holding_out import by_content
from pal_core.settings.changes import changes
from pal_core.settings.load import from_dict
from pal_core.store.store import Store
from pal_core.testing.runs import differences

STRICT = {"schedule": "serial", "batching": "all", "snapshot_every": 0.1}
POLICIES = {
    "validation": 0.25,
    "patience": 4,
    "reinitialise": {"every": 3, "stalled": 2},
    "window": 20,
    "replay": 6,
    "replay_by": "uncertainty",
}
LABELS = "SELECT COUNT(*) FROM labels"


def settings(**tables: Any) -> dict[str, Any]:
    training = {"retrain_after": 8, "final_time": 5, **tables.pop("training", {})}
    selection = {"options": {"field": "energy", "upper": 3.0}, **tables.pop("selection", {})}
    tables = {"data": {"bootstrap": 16}, "stop": {"labels": 60}, **tables}
    model = {"options": {"features": 50, "epochs": 30}, **tables.pop("model", {})}
    return toy(model=model, training=training, selection=selection, **tables)


ALL = settings(
    run=STRICT, training=POLICIES, selection={"audit": 0.02}, model={"options": {"features": 50, "delay": 0.001}}
)


def run(folder: Path, data: dict[str, Any], **more: Any) -> api.Result:
    result = api.run(data, base=folder, plugins=plugins(), **more)
    assert result.outcome == "done"
    return result


def rows(directory: Path, sql: str) -> list[tuple[Any, ...]]:
    store = Store(directory)
    try:
        return store._run(sql)
    finally:
        store.close()


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """An uninterrupted run with all policies on."""
    return run(tmp_path_factory.mktemp("whole"), ALL).directory


@pytest.fixture(scope="module")
def plain(tmp_path_factory) -> Path:
    """A run without any, in a folder of its own."""
    return run(tmp_path_factory.mktemp("plain"), settings()).directory


@pytest.fixture(scope="module")
def audited(tmp_path_factory) -> Path:
    """A run that audits a fifth of what it trusts."""
    data = settings(run=STRICT, selection={"audit": 0.2}, stop={"labels": 80})
    return run(tmp_path_factory.mktemp("audited"), data).directory


class TestRepeating:
    """Bit for bit, with every policy on."""

    def test_policies_are_at_work(self, whole):
        journal = " ".join(text for (text,) in rows(whole, "SELECT text FROM journal"))
        assert "begins anew" in journal
        assert rows(whole, "SELECT COUNT(*) FROM samples WHERE origin = 'audit' AND state = 'labelled'") > [(0,)]
        epochs = [e for (e,) in rows(whole, "SELECT epoch FROM rounds")]
        assert max(epochs) > 0

    @pytest.mark.parametrize("labels", [20, 34, 50])
    def test_killed_run_equals_the_uninterrupted_one(self, whole, tmp_path, labels):
        kill_when(lambda: count(tmp_path, LABELS) >= labels, start(tmp_path, ALL))
        assert differences(run(tmp_path, ALL).directory, whole) == []

    def test_run_stopped_again_and_again_does_too(self, whole, tmp_path):
        outcome = ""
        while outcome != "done":
            until = count(tmp_path, LABELS) + 9
            result = api.run(
                ALL, base=tmp_path, plugins=plugins(), should_stop=lambda at=until: count(tmp_path, LABELS) >= at
            )
            outcome = result.outcome
        assert differences(tmp_path / "run", whole) == []
        assert count(tmp_path, "SELECT COUNT(*) FROM sessions") > 2


class TestEachAlone:
    """Parallel schedule."""

    @pytest.mark.parametrize(
        "training",
        [
            {"patience": 3, "monitor": "validation_gradient_mae"},
            {"reinitialise": {"every": 2}},
            {"reinitialise": {"stalled": 1}},
            {"window": 16},
            {"window": 16, "replay": 0.5},
            {"window": 16, "replay": 8, "replay_by": "uncertainty"},
        ],
        ids=str,
    )
    def test_run_ends_with_a_committee_that_has_learned(self, tmp_path, training):
        result = run(tmp_path, settings(training={"validation": 0.2, **training}))
        x = np.array([[-0.558, 1.442], [0.623, 0.028]])  # minima of the surface
        energy = np.mean([k.predict(_samples(x)).columns["energy"] for k in result.models()], axis=0)
        assert abs(energy - muller_brown(x)[0]).max() < 60, "of a surface that spans hundreds"


def _samples(x):
    from pal_core.builtin.schema import SAMPLE
    from pal_core.data import Batch

    return Batch(SAMPLE, {"x": x}, size=len(x))


class TestAudit:
    def test_audit_labels_are_never_trained_on(self, audited):
        found = dict(rows(audited, "SELECT origin, COUNT(*) FROM labels JOIN samples ON id = sample GROUP BY origin"))
        assert found["audit"] > 5
        assert sum(found.values()) == 80, "they count as labels made"
        assert rows(audited, "SELECT COUNT(*) FROM labels JOIN samples ON id = sample WHERE origin = 'audit' AND "
                             "round IS NOT NULL") == [(0,)]  # fmt: skip
        trained = rows(audited, "SELECT MAX(labels) FROM rounds")[0][0]
        assert trained <= 80 - found["audit"]

    def test_error_is_that_of_the_predictions_trusted_then(self, audited):
        store = Store(audited)
        try:
            found = audit_of(store)
            numbers = store.audited()
            expected = [store.expected(n) for n in numbers]
            right = muller_brown(store.samples(numbers).columns["x"])[0]
        finally:
            store.close()
        errors = [abs(e["energy"] - r) for e, r in zip(expected, right, strict=True)]
        assert found["labels"] == len(numbers)
        assert found["errors"]["energy"]["mae"] == pytest.approx(np.mean(errors))
        assert found["errors"]["energy"]["std"] == pytest.approx(np.mean([e["energy.std"] for e in expected]))
        line = audit_line(found, {"energy": "eV", "gradient": ""})
        assert line.startswith(f"audit: {len(numbers)} labels: mean abs error energy {np.mean(errors):.3g} ± ")
        assert " eV (predicted std " in line

    def test_they_were_trusted_and_walkers_do_not_notice(self, audited):
        assert all(score <= 3.0 for (score,) in rows(audited, "SELECT score FROM samples WHERE origin = 'audit'"))

    def test_without_audit_nothing_is_said(self, plain):
        store = Store(plain)
        try:
            assert audit_of(store) == {"labels": 0, "set_aside": 0, "waiting": 0, "errors": {}}
        finally:
            store.close()


class TestStart:
    """From another run's weights and labels."""

    def copied(self, plain: Path, folder: Path) -> None:
        shutil.copytree(plain, folder / "runs" / "old")

    def test_labels_of_a_run_come_with_their_class_and_stay_on_their_side(self, whole, tmp_path):
        self.copied(whole, tmp_path)
        data = settings(data={"initial": ["runs/old"]}, stop={"labels": 5}, run={"seed": 99})
        result = run(tmp_path, data)
        old = dict(rows(whole, "SELECT origin, COUNT(*) FROM samples WHERE state = 'labelled' GROUP BY origin"))
        new = dict(rows(result.directory, "SELECT origin, COUNT(*) FROM samples WHERE state = 'labelled' GROUP BY 1"))
        assert new["initial audit"] == old["audit"] > 0
        assert new["initial"] == old["bootstrap"] + old["active"]
        assert sum(n for o, n in new.items() if not o.startswith("initial")) == 5
        unused = "SELECT COUNT(*) FROM labels JOIN samples ON id = sample WHERE origin = 'initial audit' AND round > 0"
        assert rows(result.directory, unused) == [(0,)]
        same = "SELECT samples.data, samples.score, labels.data, kernel, level FROM samples JOIN labels ON id = sample"
        assert set(rows(whole, same)) <= set(rows(result.directory, same))
        journal = [text for (text,) in rows(result.directory, "SELECT text FROM journal WHERE source = 'data.initial'")]
        assert journal == [
            f"60 labels of the run in {tmp_path / 'runs/old'}, {old['audit']} of its audit, which stay held out"
        ]

    def test_frames_keep_their_side_in_another_run(self, plain, tmp_path):
        """Both runs hold out by content: the share of one is that of the other, whatever seed and number."""
        self.copied(plain, tmp_path)
        result = run(tmp_path, settings(data={"initial": ["runs/old"]}, stop={"labels": 5}, run={"seed": 99}))
        sides = []
        for directory in (plain, result.directory):
            found = rows(directory, "SELECT hash FROM samples WHERE state = 'labelled'")
            hashes = [h for (h,) in found]
            sides.append(dict(zip(hashes, by_content(hashes, 0.1).tolist(), strict=True)))
        assert sides[0].items() <= sides[1].items()
        assert len(sides[0]) == 60

    def test_labels_of_another_level_are_left_out(self, plain, tmp_path):
        self.copied(plain, tmp_path)
        data = settings(data={"initial": ["runs/old"]}, stop={"labels": 5}, oracle={"options": {"fail_share": 0.01}})
        result = run(tmp_path, data)
        assert {o for (o,) in rows(result.directory, "SELECT origin FROM samples")} <= {"bootstrap", "active"}
        (text,) = next(iter(rows(tmp_path / "run", "SELECT text FROM journal WHERE source = 'data.initial'")))
        assert text.endswith("; 60 of another level of theory are left out")

    @pytest.mark.parametrize(("members", "told"), [(2, "0 -> 0, 1 -> 1"), (3, "0 -> 0 and 2, 1 -> 1"), (1, "0 -> 0")])
    def test_members_begin_with_a_runs_newest_weights(self, plain, tmp_path, members, told):
        self.copied(plain, tmp_path)
        data = settings(model={"start": "runs/old", "members": members}, stop={"steps": 40, "labels": None})
        data["selection"] = {"kernel": "pal.random", "options": {"share": 0.01}}
        result = run(tmp_path, data)
        (text,) = next(iter(rows(result.directory, "SELECT text FROM journal WHERE source = 'model.start'")))
        assert told in text
        assert ("agree until they have been trained" in text) == (members == 3)
        assert ("1 is not used" in text) == (members == 1)
        assert rows(result.directory, "SELECT COUNT(*) FROM samples WHERE origin = 'bootstrap'") == [(0,)]

    def test_start_and_labels_together_go_on_where_the_other_run_was(self, plain, tmp_path):
        self.copied(plain, tmp_path)
        data = settings(model={"start": "runs/old"}, data={"initial": ["runs/old"]}, stop={"labels": 10})
        result = run(tmp_path, data)
        assert len(result.dataset()) == 70

    def test_empty_folder_is_refused_before_anything_begins(self, tmp_path):
        (tmp_path / "runs" / "old").mkdir(parents=True)
        with pytest.raises(Exception, match="holds no weights of a member"):
            run(tmp_path, settings(model={"start": "runs/old"}))


def test_policies_may_change_when_a_run_goes_on_but_not_the_start(tmp_path):
    (tmp_path / "old").mkdir()
    one, other = (
        from_dict(data, tmp_path, plugins()).settings
        for data in (settings(), settings(training=POLICIES | {"validation": 0.1}, selection={"audit": 0.1}))
    )
    found = changes(one, other)
    assert {c.key.split(".")[1] for c in found} == set(POLICIES) - {"validation"} | {"audit"}
    assert not any(c.binding or c.harmless for c in found)
    begun = from_dict(settings(model={"start": "old"}), tmp_path, plugins()).settings
    (found,) = changes(one, begun)
    assert found.binding
