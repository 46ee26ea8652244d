"""What is printed can do nothing to a terminal."""

from __future__ import annotations

import io
import json

import pytest
from click.testing import CliRunner

from pal_core.builtin.schema import LABEL, SAMPLE
from pal_core.cli.main import cli
from pal_core.cli.progress import Progress
from pal_core.cli.saying import Saying
from pal_core.reading import plain
from pal_core.store.store import Store

EVIL = "\x1b]0;owned\x07 \x9b2J\r\x08 \u202egnp.exe \x00"
COMMANDS = {c for c in EVIL if not c.isprintable()}


def test_commands_are_written_out():
    assert plain(EVIL) == "\\u001b]0;owned\\u0007 \\u009b2J\\u000d\\u0008 \\u202egnp.exe \\u0000"
    assert plain("lone \udc80") == "lone \\udc80"


def test_words_of_any_language_tabs_and_line_ends_stay():
    text = "Å ångström\t日本語\n🙂 e\u0301"
    assert plain(text) == text


def test_what_a_run_says_is_plain(capsys):
    say = Saying()
    say.out(EVIL)
    say.error(EVIL)
    assert not COMMANDS & set("".join(capsys.readouterr()))


class Screen(io.StringIO):
    """A terminal."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("stream", [io.StringIO, Screen])
def test_progress_is_plain(stream):
    status = {
        **dict.fromkeys(("seconds", "labels", "steps", "steps_per_second", "queue", "rounds", "began"), 0),
        **dict.fromkeys(("progress", "seconds_left", "uncertain_share", "outcome"), None),
        **{"phase": EVIL, "rules": {}, "utilisation": {EVIL: 0.5}, "news": [[1, EVIL]]},
        "members": {EVIL: {"version": 1, "metrics": {f"validation_{EVIL}": 1.0}}},
    }
    screen = stream()
    Progress(screen)(status)
    assert not (COMMANDS - {"\x1b"}) & set(screen.getvalue())
    assert "\x1b]0;" not in screen.getvalue()


def test_store_and_its_labels_are_shown_plainly(tmp_path):
    store = Store(tmp_path / "run", write=True)
    store.agree(SAMPLE, LABEL, LABEL)
    store.open_session("{}", {})
    store.add_sample(1, {"x": [0.0, 0.0]}, origin="active", walker=0, version=1, score=0.5)
    store.add_attempt(1, 1, EVIL, seconds=1.0, failure="crashed", text=EVIL, evidence=EVIL)
    store.quarantine(1, EVIL)
    store.note(EVIL, EVIL)
    store.close()
    run = str(tmp_path / "run")
    for command in (["status", run], ["labels", "list", run], ["labels", "show", run, "1"], ["doctor", run]):
        result = CliRunner().invoke(cli, command)
        assert result.output
        assert not COMMANDS & set(result.output), command
    result = CliRunner().invoke(cli, ["labels", "show", run, "1", "--json"])
    assert not COMMANDS & set(result.output)
    assert json.loads(result.output)["reason"] == EVIL
