"""`pal journal`."""

from __future__ import annotations

import json

import pytest

from pal_core.store.store import Store

TRACE = "Traceback (most recent call last):\n  File 'x.py'\nValueError: no"


@pytest.fixture
def journal(pal, tmp_path):
    """Call `pal journal` on a run with some entries; gives what follows the time."""
    store = Store(tmp_path / "run", write=True)
    for source, text in (
        ("settings", "stop.labels: 20 -> 30"),
        ("generator 3", "hot"),
        ("generator/0", "walker 3 raised ValueError: no"),
        ("generator/0", TRACE),
        ("manager", "oracle/1 is lost\nits label waits again"),
    ):
        store.note(source, text)
    store.close()

    def call(*options: str) -> list[str]:
        result = pal("journal", "run", *options)
        assert result.exit_code == 0, result.output
        return [line if line.startswith(" ") else line.split(" ", 2)[-1] for line in result.stdout.splitlines()]

    return call


SAID = [
    "settings: stop.labels: 20 -> 30",
    "generator/0: walker 3 raised ValueError: no",
    "manager: oracle/1 is lost",
    "    its label waits again",
]


def test_newest_comes_last_without_walkers_and_tracebacks(journal):
    assert journal() == SAID


def test_last_counts_what_is_shown(journal):
    assert journal("--last", "2") == SAID[1:]


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--all"], "generator 3: hot"),
        (["--traces"], "generator/0: Traceback (most recent call last):"),
        (["--source", "Generator 3"], "generator 3: hot"),
    ],
)
def test_the_rest_is_shown_on_demand(journal, options, said):
    assert said in journal(*options)


def test_source_is_a_part_of_a_name(journal):
    assert journal("--source", "manager") == SAID[2:]


def test_nothing_is_said_to_be_nothing(journal, pal, tmp_path):
    assert pal("journal", "run", "--source", "moon").stdout == (
        "nothing is written there of a source with 'moon' in its name\n"
    )


def test_json_has_the_entries(pal, journal):
    found = json.loads(pal("journal", "run", "--json", "--last", "1").stdout)
    assert [(e["source"], e["text"]) for e in found] == [("manager", "oracle/1 is lost\nits label waits again")]
