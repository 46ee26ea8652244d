"""README's commands work, and its table of plugins is complete."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
from distributions import FOLDERS, project
from documents import ROOT, Block, blocks, follow

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = blocks(TEXT)


def test_readme_opens_with_two_complete_commands():
    lines = [b.text.strip() for b in BLOCKS[:2]]
    assert [re.search(r"nox -s (\w+)$", line)[1] for line in lines] == ["demo", "tests"]
    for line in lines:
        assert "\n" not in line
        assert line.startswith('git clone "$URL" pal && cd pal && ')
    assert lines[0].removesuffix("demo") == lines[1].removesuffix("tests")


def test_ci_runs_the_test_command_of_readme():
    found = re.search(r"^command=\$\((sed .*)\)$", (ROOT / ".ci" / "run").read_text(), re.MULTILINE)
    out = subprocess.run(["bash", "-c", found[1]], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert out.strip() == BLOCKS[1].text.strip().removeprefix('git clone "$URL" pal && cd pal && ')


def test_sessions_that_documents_name_exist():
    noxfile = (ROOT / "noxfile.py").read_text(encoding="utf-8")
    sessions = set(re.findall(r"^@nox\.session.*?^def (\w+)", noxfile, re.DOTALL | re.MULTILINE))
    said = {
        word
        for path in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for words in re.findall(r"nox (?:-r )?-s ([\w\" -]+)", path.read_text(encoding="utf-8"))
        for word in re.findall(r"\w+", words)
        if word not in ("pal", "xtb")
    }
    assert {"tests", "demo"} <= said <= sessions


def test_table_of_plugins_has_a_row_for_each_distribution():
    rows = re.findall(r"^\| \[([\w-]+)\]\(([\w/.-]+)\) \| `([\w-]+)\.\*` \|", TEXT, re.MULTILINE)
    wanted = {
        (project(f)["name"], f"{f.relative_to(ROOT).as_posix()}/README.md", *project(f)["entry-points"]["pal"])
        for f in FOLDERS
    }
    assert set(rows) == wanted
    assert len(rows) == len(wanted)


@pytest.mark.timeout(600)
def test_quick_start_does_what_it_says(environment: dict[str, str], tmp_path: Path):
    commands = [b for b in BLOCKS[2:] if b.language == "sh"]
    (snippet,) = [b for b in BLOCKS if b.language == "python"]
    last = [Block("python", snippet.text, "snippet.py"), Block("sh", "python snippet.py")]
    out = follow([*commands, *last], tmp_path, environment)
    assert "toy.toml is sound" in out
    assert " ranks on " in out
    assert "done (500 labels)" in out
    assert "500 labelled samples in " in out
    assert out.splitlines()[-1] == "500 labels"


def test_message_of_mixed_mpis_is_the_one_that_the_code_gives():
    quoted = re.search(r"^> 6 ranks (.*)$", TEXT, re.MULTILINE)[1]
    code = (ROOT / "core" / "src" / "pal_core" / "transport" / "mpi.py").read_text(encoding="utf-8")
    message = re.sub(r'"\s+f"', "", code)
    assert quoted.replace("a world of 1", "a world of {self.size}") in message


def test_core_s_example_prints_what_it_promises(capsys: pytest.CaptureFixture[str]):
    text = (ROOT / "core" / "README.md").read_text(encoding="utf-8")
    (example,) = [b.text for b in blocks(text) if b.language == "python"]
    exec(example, {})  # noqa: S102 - our own file
    assert capsys.readouterr().out.strip() == example.rstrip().rpartition("# ")[2]
