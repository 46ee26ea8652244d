"""`pal labels`."""

from __future__ import annotations

import json

import numpy as np
import pytest

from pal_core.data import Field, Schema
from pal_core.store.store import Store

SAMPLE = Schema([Field("x", shape=("atoms", 3), unit="Å")])
LABEL = Schema([Field("energy", unit="eV"), Field("forces", shape=("atoms", 3), unit="eV/Å")])


def add(store, number, expected=None):
    store.add_sample(
        number,
        {"x": np.full((4, 3), float(number))},
        origin="active",
        walker=2,
        version=1,
        score=0.5,
        expected=expected,
    )


def filled(directory):
    """Three samples set aside: one without label, two with suspicious ones; and a fourth that waits."""
    store = Store(directory, write=True)
    store.agree(SAMPLE, LABEL, Schema([Field("energy", unit="eV")]))
    store.open_session("{}", {})
    add(store, 1)
    store.add_attempt(
        1, 1, "oracle/0", seconds=2.5, failure="unconverged", text="SCF stopped", evidence="cycle 250\nno more"
    )
    store.quarantine(1, "unconverged: SCF stopped (attempts: 1)")
    for number, energy in ((2, -1.5), (3, 0.0)):
        add(store, number, {"energy": np.array(-40.0)})
        store.add_attempt(number, 1, "oracle/1", seconds=3.0)
        label = {"energy": np.array(energy), "forces": np.array([[np.nan, 0, 0], [0, 1, 0], [0, 0, -2.5], [0, 0, 0]])}
        store.quarantine(number, f"level: energy of {energy} eV", label, kernel="xtb.gfn2", package="pal-xtb 0.1.0")
    add(store, 4)
    store.commit()
    return store


@pytest.fixture
def held(tmp_path):
    """The store of a run that is going."""
    store = filled(tmp_path / "run")
    yield store
    store.close()


@pytest.fixture
def idle(tmp_path):
    """The directory of a run that isn't going, with kept files."""
    filled(tmp_path / "run").close()
    (tmp_path / "run/quarantine/1-1").mkdir(parents=True)
    (tmp_path / "run/quarantine/11-1").mkdir()
    (tmp_path / "run.toml").write_text('[run]\ndirectory = "run"\n')
    return tmp_path / "run"


def state_of(directory):
    store = Store(directory)
    rows = store._run("SELECT id, state FROM samples ORDER BY id")
    store.close()
    return dict(rows)


def test_list_has_a_line_for_each_and_the_next_command(pal, idle):
    lines = pal("labels", "list", "run").stdout.splitlines()
    assert lines[0].split() == ["sample", "class", "since", "label", "attempts", "reason"]
    assert [line.split()[0] for line in lines[1:4]] == ["1", "2", "3"]
    assert lines[1].split()[:2] == ["1", "active"]
    assert lines[1].endswith("none   1         unconverged: SCF stopped (attempts: 1)")
    assert lines[2].endswith("kept   1         level: energy of -1.5 eV")
    assert lines[4] == "next: pal labels show run 1; pal labels retry|accept|drop run ..."


def test_list_as_json_names_kept_files(pal, idle):
    rows = json.loads(pal("labels", "list", "run.toml", "--json").stdout)
    assert [(row["sample"], row["has_label"]) for row in rows] == [(1, False), (2, True), (3, True)]
    assert rows[0]["scratch"] == [str(idle / "quarantine/1-1")]
    assert rows[0]["attempts"][0]["evidence"] == "cycle 250\nno more"


def test_show_tells_attempts_evidence_and_files(pal, idle):
    lines = pal("labels", "show", "run", "1").stdout.splitlines()
    assert lines[1] == "reason: unconverged: SCF stopped (attempts: 1)"
    (attempt,) = (i for i, line in enumerate(lines) if line.startswith("attempt 1 on oracle/0, "))
    assert lines[attempt].endswith("2.5 s: unconverged: SCF stopped")
    assert lines[attempt + 1 : attempt + 3] == ["  | cycle 250", "  | no more"]
    assert lines[-2] == f"files: {idle.relative_to(idle.parent) / 'quarantine/1-1'}"
    assert lines[-1] == "next: pal labels retry run 1; pal labels drop run 1"


def test_show_tells_label_and_expectation(pal, idle):
    lines = pal("labels", "show", "run.toml", "2").stdout.splitlines()
    assert "labelled by: xtb.gfn2 (pal-xtb 0.1.0)" in lines
    assert "label energy: -1.5" in lines
    assert "expected energy: -40" in lines
    assert "label forces: 4 x 3 values, -2.5 to 1, 1 not finite" in lines
    assert "pal labels accept run.toml 2" in lines[-1]


def test_show_as_json_has_all_values(pal, idle):
    found = json.loads(pal("labels", "show", "run", "3", "--json").stdout)
    assert (found["sample"], found["label"]["energy"], found["expected"]["energy"]) == (3, 0.0, -40.0)
    assert found["fields"]["x"] == [[3.0] * 3] * 4
    assert json.loads(pal("labels", "show", "run", "1", "--json").stdout)["label"] is None


@pytest.mark.parametrize(
    ("arguments", "states", "said"),
    [
        (("retry", "run.toml", "1", "3"), ["waiting", "quarantined", "waiting"],
         "2 samples wait for a label again; next: pal run run.toml"),
        (("retry", "run", "--all"), ["waiting"] * 3, "3 samples wait for a label again; next: pal run run.toml"),
        (("accept", "run.toml", "2"), ["quarantined", "labelled", "quarantined"],
         "the labels of 1 sample are admitted and will be trained on; next: pal run run.toml"),
        (("accept", "run", "--all"), ["quarantined", "labelled", "labelled"],
         "the labels of 2 samples are admitted and will be trained on; next: pal run run.toml"),
        (("drop", "run", "--reason", "LEVEL"), ["quarantined", "dropped", "dropped"],
         "2 samples were given up; next: pal run run.toml"),
        (("drop", "run", "1"), ["dropped", "quarantined", "quarantined"],
         "1 sample was given up; next: pal run run.toml"),
        (("retry", "run", "1"), ["waiting", "quarantined", "quarantined"],
         "1 sample waits for a label again; next: pal run run.toml"),
    ],
)  # fmt: skip
def test_decisions(pal, idle, arguments, states, said):
    result = pal("labels", *arguments)
    assert result.exit_code == 0
    assert result.stdout.strip() == said
    assert list(state_of(idle).values()) == [*states, "waiting"]


@pytest.mark.parametrize(
    ("arguments", "message", "hint"),
    [
        (("retry", "run"), "which samples?", "give their numbers, or --reason TEXT, or --all"),
        (("drop", "run", "1", "--all"), "which samples?", "give their numbers, or --reason TEXT, or --all"),
        (("drop", "run", "1", "4", "9"), "not set aside: sample 4, 9", "see what is: pal labels list run"),
        (("retry", "run", "--reason", "fire"), "nothing that fits is set aside, of 3 samples", "pal labels list run"),
        (("accept", "run", "1"), "no label of sample 1 can be accepted, there is none", "labelled again"),
        (("show", "run", "4"), "sample 4 is not set aside", "see which are: pal labels list run"),
    ],
)
def test_what_cannot_be_done_is_refused_and_changes_nothing(pal, idle, arguments, message, hint):
    result = pal("labels", *arguments)
    assert result.exit_code == 1
    assert message in result.stderr
    assert hint in result.stderr
    assert list(state_of(idle).values()) == ["quarantined"] * 3 + ["waiting"]


@pytest.mark.parametrize("command", ["retry", "accept", "drop"])
def test_nothing_is_changed_while_a_run_holds_the_directory(pal, held, command):
    result = pal("labels", command, "run", "2")
    assert result.exit_code == 1
    assert "is in use by" in result.stderr
    assert "stop that run first: pal stop" in result.stderr
    assert held.is_quarantined(2)


@pytest.mark.usefixtures("held")
def test_list_and_show_work_while_a_run_holds_the_directory(pal):
    assert pal("labels", "list", "run").exit_code == 0
    assert pal("labels", "show", "run", "2").exit_code == 0


def test_empty_quarantine_says_so(pal, finished):
    assert pal("labels", "list", str(finished / "run")).stdout == "nothing is set aside\n"
    assert json.loads(pal("labels", "list", str(finished / "run"), "--json").stdout) == []
    result = pal("labels", "retry", str(finished / "run"), "--all")
    assert result.exit_code == 1
    assert "nothing is set aside" in result.stderr


def test_settings_are_not_guessed_among_several(pal, idle, tmp_path):
    (tmp_path / "other.toml").write_text('[run]\ndirectory = "run"\n')
    result = pal("labels", "drop", "run", "1")
    assert result.stdout == "1 sample was given up; next: pal run SETTINGS\n"


def test_damaged_store_is_not_said_to_have_nothing_set_aside(pal, idle):
    path = idle / "pal.sqlite"
    content = path.read_bytes()
    path.write_bytes(content[:-4096] + b"\xa5" * 4096)
    result = pal("labels", "list", "run")
    assert result.exit_code == 1
    assert "pal.sqlite is damaged" in result.stderr
    assert "pal doctor" in result.stderr
    assert "nothing is set aside" not in result.output
