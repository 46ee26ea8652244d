"""`pal status`."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import time

import pytest
from conftest import TOY
from stores import add, open_store

from pal_core.api import run
from pal_core.builtin import plugin
from pal_core.cli.status import _lines
from pal_core.launch.processes import Owner
from pal_core.plugins.host import PluginHost
from pal_core.store.store import Store


def test_run_is_found_by_settings_file_and_by_directory(pal, finished):
    texts = [pal("status", str(finished / name)) for name in ("toy.toml", "run")]
    assert texts[0].exit_code == 0
    assert texts[0].stdout.splitlines()[0] == texts[1].stdout.splitlines()[0]


def test_finished_run_says_how_it_ended_and_what_is_stored(pal, finished):
    lines = pal("status", str(finished / "run")).stdout.splitlines()
    assert "labels 30/30" in lines[0]
    assert any(line.startswith("ended ") and line.endswith("ago: done (30 labels)") for line in lines)
    (stored,) = (line for line in lines if line.startswith("stored: "))
    assert "12 labels bootstrap" in stored
    assert "30 samples labelled" in stored
    assert stored.count("dropped") <= 1


def test_json_has_status_store_and_journal(pal, finished):
    data = json.loads(pal("status", str(finished / "run"), "--json").stdout)
    assert (data["outcome"], data["labels"], data["phase"]) == ("done", 30, "ended")
    assert data["store"]["labels_active"] == 18
    assert isinstance(data["journal"], list)


def test_journal_is_shown_one_line_each(pal, tmp_path):
    store = Store(tmp_path / "run", write=True)
    for text in ("too old", "", "note", "first line\nsecond line", "\n", "last"):
        store.note("training/0", text)
        store.note("generator 3", "chatter")
        store.note("training/0", "Traceback (most recent call last):\n  ...")
    store.close()
    lines = pal("status", "run").stdout.splitlines()
    assert lines[0] == "no status has been written yet"
    shown = [line.split(" ", 3)[-1] for line in lines if line.startswith("  ")]
    assert shown == [f"training/0: {text}" for text in ("", "note", "first line", "", "last")]
    assert pal("status", "run", "--json").exit_code == 0


@pytest.mark.parametrize(
    ("name", "message"),
    [("nothing", "Path 'nothing' does not exist"), ("empty", "empty holds no run"), ("toy.toml", "run holds no run")],
)
def test_without_a_run_it_says_so(pal, toy, tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    result = pal("status", name)
    assert result.exit_code == (2 if name == "nothing" else 1)
    assert message in result.stderr


def test_file_that_is_no_settings_file_is_refused(pal, tmp_path):
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\xff")
    result = pal("status", "picture.png")
    assert result.exit_code == 1
    assert "picture.png is no settings file" in result.stderr


def test_drops_are_told_once_and_by_reason(pal, tmp_path):
    store = open_store(tmp_path / "run")
    add(store, 1, 2, 3)
    store.drop([1], "queue full", 2)
    store.drop([], "duplicate", 1)
    store.quarantine(2, "odd")
    store.discard([2])
    store.close()
    lines = pal("status", "run").stdout.splitlines()
    assert "stored: 1 sample waiting; dropped: 3 queue full, 1 duplicate, 1 given up by hand" in lines
    data = json.loads(pal("status", "run", "--json").stdout)
    assert data["store"]["drops"] == {"queue full": 3, "duplicate": 1, "given up by hand": 1}


class TestDeath:
    """A run whose process is gone, on this machine."""

    @pytest.fixture
    def killed(self, finished, tmp_path):
        """A run that was killed some seconds ago."""
        shutil.copytree(finished / "run", tmp_path / "run")
        shutil.copy(finished / "toy.toml", tmp_path)
        process = subprocess.Popen(["true"])
        process.wait()
        path = tmp_path / "run/status.json"
        status = json.loads(path.read_text())
        status |= {"outcome": None, "phase": "running", "pid": process.pid, "updated": time.time() - 5}
        path.write_text(json.dumps(status))
        return path

    def test_it_is_said_first_and_what_to_do(self, pal, killed):
        for name in ("run", "toy.toml"):
            first, second, *rest = pal("status", name).stdout.splitlines()
            assert re.fullmatch(
                r"died: process \d+ ended without a word \d+ s ago; go on with: pal run toy.toml", first
            )
            assert second.startswith("died ")
            assert not any("time left" in line or "running" in line for line in rest)
        assert json.loads(pal("status", "run", "--json").stdout)["died"] is True

    def test_stop_says_that_nothing_runs(self, pal, killed):
        result = pal("stop", "run")
        assert result.exit_code == 0
        assert result.stdout.startswith("nothing runs: process ")
        assert result.stdout.endswith("has died without a word; go on with: pal run toy.toml\n")
        assert not killed.with_name("stop").exists()

    @pytest.mark.parametrize(
        "changes",
        [{"host": "elsewhere"}, {"pid": os.getpid()}, {"outcome": "done"}],
        ids=["elsewhere", "alive", "ended"],
    )
    def test_others_have_not_died(self, pal, killed, changes):
        killed.write_text(json.dumps(json.loads(killed.read_text()) | changes))
        assert not pal("status", "run").stdout.startswith("died")

    def test_pal_run_that_lives_starts_the_ranks_again(self, pal, killed):
        Owner.me("0" * 24).sign(killed.parent)
        assert not pal("status", "run").stdout.startswith("died")


class TestLines:
    """What is said of a run's age."""

    def status(self, finished, **changes) -> dict:
        return json.loads((finished / "run/status.json").read_text()) | changes

    def test_silent_run_may_have_died(self, finished):
        status = self.status(finished, outcome=None, updated=time.time() - 90, pid=77, host="node3")
        assert _lines(status)[-1] == "no news for 1 min 30 s: process 77 on node3 may have died; pal run goes on"

    def test_running_run_has_nothing_more_to_say(self, finished):
        status = self.status(finished, outcome=None, updated=time.time())
        assert len(_lines(status)) == len(_lines(status | {"updated": 0.0})) - 1
        assert not any("news" in line or "ago" in line for line in _lines(status))


def test_settings_with_mistakes_elsewhere_still_name_their_run(pal, finished):
    text = (finished / "toy.toml").read_text()
    (finished / "spoilt.toml").write_text(text.replace("walkers = 4", "walkers = 0"))
    assert pal("status", str(finished / "spoilt.toml")).exit_code == 0


def test_link_to_a_settings_file_leads_to_its_run(pal, finished, tmp_path):
    (tmp_path / "link.toml").symlink_to(finished / "toy.toml")
    assert pal("status", "link.toml").exit_code == 0


def test_home_directory_is_known(pal, finished, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(finished))
    (tmp_path / "home.toml").write_text('[run]\ndirectory = "~/run"\n')
    assert pal("status", "home.toml").exit_code == 0


def test_odd_tables_fall_back_on_the_default_directory(pal, finished, tmp_path):
    (tmp_path / "odd.toml").write_text("run = 5\n")
    (tmp_path / "run").symlink_to(finished / "run")
    assert pal("status", "odd.toml").exit_code == 0


def test_audit_has_a_line_and_its_place_in_the_json(pal, tmp_path):
    (tmp_path / "toy.toml").write_text(TOY.replace("[selection]\n", "[selection]\naudit = 0.5\n"))
    run(tmp_path / "toy.toml", plugins=PluginHost.of({"pal": plugin}))
    (line,) = (x for x in pal("status", "toy.toml").stdout.splitlines() if x.startswith("audit: "))
    number = r"\S+( ± \S+)? \(predicted std \S+\)"
    assert re.fullmatch(rf"audit: \d+ labels?: mean abs error energy {number}, gradient {number}", line)
    found = json.loads(pal("status", "toy.toml", "--json").stdout)["audit"]
    assert line.startswith(f"audit: {found['labels']} label")
    assert found["errors"]["energy"]["mae"] > 0
