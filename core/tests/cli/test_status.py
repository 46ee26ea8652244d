"""`pal status`."""

from __future__ import annotations

import json
import time

import pytest

from pal_core.cli.status import _lines
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


def test_json_has_status_store_and_journal(pal, finished):
    data = json.loads(pal("status", str(finished / "run"), "--json").stdout)
    assert (data["outcome"], data["labels"], data["phase"]) == ("done", 30, "ended")
    assert data["store"]["labels_active"] == 18
    assert isinstance(data["journal"], list)


def test_journal_is_shown_one_line_each(pal, tmp_path):
    store = Store(tmp_path / "run", write=True)
    for text in ("too old", "", "note", "first line\nsecond line", "\n", "last"):
        store.note("walker 3", text)
    store.close()
    lines = pal("status", "run").stdout.splitlines()
    assert lines[0] == "no status has been written yet"
    shown = [line.split(" ", 3)[-1] for line in lines if "walker 3" in line]
    assert shown == ["walker 3: ", "walker 3: note", "walker 3: first line", "walker 3: ", "walker 3: last"]
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
