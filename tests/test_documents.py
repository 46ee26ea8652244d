"""Documents say what the code says."""

from __future__ import annotations

import dataclasses
import importlib.util
import inspect
import json
import re
import sqlite3
from pathlib import Path
from types import ModuleType

import pytest
from documents import ROOT

import pal_core
from pal_core import hookspecs, messages
from pal_core.cli import exit_codes
from pal_core.cli.main import COMMANDS
from pal_core.control import exchange, manager
from pal_core.settings.tables import TABLES
from pal_core.spec import FormatSpec, KernelSpec, load_target
from pal_core.store import tables

DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("core/*.md"), *ROOT.glob("plugins/*/*.md")])


def _generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", DOCS / "generate.py")
    assert spec is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


generate = _generator()
FORMATS = (DOCS / "reference" / "wire-and-store.md").read_text(encoding="utf-8")


def section(text: str, heading: str) -> str:
    """What stands under a heading, up to the next one."""
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#|\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None, f"no heading {heading!r}"
    return found[1]


def first_cells(text: str) -> list[str]:
    """Names in backticks in the first column of the tables in a text, in order."""
    cells = re.findall(r"^\| (`[^|]*?`) \|", text, re.MULTILINE)
    return [name for cell in cells for name in re.findall(r"`([^`]+)`", cell)]


@pytest.mark.parametrize("path", generate.DOCUMENTS, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_generated_parts_are_up_to_date(path):
    text = path.read_text(encoding="utf-8")
    assert generate.updated(text) == text, "run: python docs/generate.py"


def test_every_generated_part_stands_in_one_document():
    texts = "".join(p.read_text(encoding="utf-8") for p in generate.DOCUMENTS)
    assert sorted(re.findall(r"<!-- generated: ([\w-]+) -->", texts)) == sorted(generate.PARTS)


def test_every_hook_and_its_arguments_stand_in_the_reference():
    text = (DOCS / "reference" / "hooks.md").read_text(encoding="utf-8")
    for name in [n for n in hookspecs.__all__ if n.startswith("pal_")]:
        heading = re.search(rf"^## `{name}\((.*?)\)", text, re.MULTILINE)
        assert heading is not None, name
        assert all(a in heading[1] for a in inspect.signature(getattr(hookspecs, name)).parameters)


@pytest.mark.parametrize("record", [KernelSpec, FormatSpec])
def test_every_field_that_a_plugin_gives_stands_in_the_reference(record):
    text = section((DOCS / "reference" / "hooks.md").read_text(encoding="utf-8"), f"`{record.__name__}`")
    said = {name for names in re.findall(r"^([\w, ]+) : ", text, re.MULTILINE) for name in names.split(", ")}
    assert said == {f.name for f in dataclasses.fields(record)}


@pytest.mark.parametrize("name", TABLES)
def test_every_key_of_the_settings_stands_in_the_reference(name):
    text = (DOCS / "reference" / "settings.md").read_text(encoding="utf-8")
    title = f"`[[{name}]]`" if name in ("check", "placement") else f"`[{name}]`"
    assert first_cells(section(text, title)) == list(TABLES[name].model_fields)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_and_option_stands_in_the_reference(name):
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    found = re.search(rf"^## `pal {name}[^\n]*`\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    assert found is not None
    options = [o for p in load_target(COMMANDS[name][0]).params for o in p.opts if o.startswith("-")]
    assert [o for o in options if f"`{o}`" not in found[1]] == []


def test_exit_codes_stand_in_the_reference():
    text = (DOCS / "reference" / "cli.md").read_text(encoding="utf-8")
    found = [int(n) for n in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)]
    assert found == [getattr(exit_codes, name) for name in ("DONE", "FAILED", "USAGE", "RESUME")]


def _stored() -> dict[str, list[str]]:
    """Columns of every table of the store."""
    database = sqlite3.connect(":memory:")
    database.executescript(tables.TABLES)
    names = [r[0] for r in database.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY rowid")]
    return {name: [row[1] for row in database.execute(f"PRAGMA table_info({name})")] for name in names}


@pytest.mark.parametrize(("table", "columns"), _stored().items())
def test_every_column_of_the_store_stands_in_the_reference(table, columns):
    assert first_cells(section(FORMATS, f"`{table}`")) == columns


def test_reference_has_no_table_that_the_store_lacks():
    store = FORMATS[FORMATS.index("## Store") : FORMATS.index("### Samples and labels in a blob")]
    assert re.findall(r"^### `(\w+)`", store, re.MULTILINE) == list(_stored())


@pytest.fixture(scope="module")
def run_directory(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    settings = {
        "run": {"seed": 1},
        "generator": {"kernel": "pal.toy-walker", "walkers": 2},
        "model": {"kernel": "pal.toy-model", "members": 2},
        "training": {},
        "oracle": {"kernel": "pal.toy-oracle"},
        "selection": {"options": {"field": "energy", "upper": 1.0}},
        "data": {"bootstrap": 20},
        "stop": {"labels": 30},
    }
    return pal_core.run(settings, base=folder).directory


def test_every_file_of_a_run_stands_in_the_reference(run_directory):
    known = first_cells(section(FORMATS, "Run directory"))
    patterns = [re.sub(r"\d+", r"\\d+", re.escape(k)) for k in known]
    for path in run_directory.rglob("*"):
        name = path.relative_to(run_directory).as_posix()
        fits = any(re.fullmatch(f"{p}(-wal|-shm)?" if not p.endswith("/") else f"{p}.*", name) for p in patterns)
        assert path.is_dir() or fits, f"{name} is not in the reference"


def test_every_key_of_the_status_stands_in_the_reference(run_directory):
    status = json.loads((run_directory / "status.json").read_text())
    assert first_cells(section(FORMATS, "`status.json`")) == list(status)


def test_messages_of_the_sample_s_journey_exist():
    text = (DOCS / "explanation" / "controller.md").read_text(encoding="utf-8")
    said = re.findall(r"^    \w->>\w: (\w+)$", text, re.MULTILINE)
    assert said
    assert set(said) <= set(messages.KINDS)


def test_phases_are_explained():
    text = (DOCS / "explanation" / "controller.md").read_text(encoding="utf-8")
    assert [p for p in (*exchange.PHASES, *manager.PHASES) if f"`{p}`" not in text and p != "closed"] == []


def test_every_decision_stands_in_the_index():
    pages = {p.name for p in (DOCS / "decisions").glob("*.md")} - {"README.md"}
    assert set(re.findall(r"\]\(([\w.-]+\.md)\)", (DOCS / "decisions" / "README.md").read_text())) == pages


def _anchor(heading: str) -> str:
    """The anchor that GitHub makes of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


@pytest.mark.parametrize("page", PAGES, ids=lambda p: p.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page):
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"https?:", target):
            continue
        path, _, anchor = target.partition("#")
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
            assert anchor in map(_anchor, headings), target
