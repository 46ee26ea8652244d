"""README says what the code does."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest

from pal_ase.functionals import FUNCTIONALS
from pal_turbomole.options import DftOptions, TddftOptions

TEXT = (Path(__file__).parents[1] / "README.md").read_text()
WORDS = {"none": None, "false": False, "true": True}


def test_example_prints_what_turbomole_prints(turbomole, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    example = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    exec(example, {})  # noqa: S102 -- our own file
    assert capsys.readouterr().out.strip() == example.rsplit("# ", 1)[1].strip()


@pytest.mark.parametrize("model", [DftOptions, TddftOptions])
def test_every_option_stands_in_the_table_with_its_unit_and_default(model):
    for name, field in model.model_fields.items():
        row = re.search(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)[0]
        _, kernels, unit, default, _ = (cell.strip(" `") for cell in row.split("|")[1:-1])
        assert unit == (field.json_schema_extra or {}).get("unit", ""), name
        assert (WORDS[default] if default.isalpha() else literal_eval(default)) == field.default, name
        assert kernels == ("all" if name in DftOptions.model_fields else "turbomole.tddft"), name


def test_no_option_of_the_table_is_gone():
    table = TEXT[TEXT.index("## Options") : TEXT.index("Charge and multiplicity")]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(TddftOptions.model_fields)


def test_names_of_functionals_are_those_of_the_table():
    names = re.search(r"^\| name \|(.*)\|$", TEXT, re.MULTILINE)[1].split("|")
    keywords = re.search(r"^\| `\$dft functional` \|(.*)\|$", TEXT, re.MULTILINE)[1].split("|")
    found = {n.strip(" `"): k.strip() for n, k in zip(names, keywords, strict=True)}
    assert found.pop("hf") == "(no `$dft`)"
    assert found == {name: f"`{f.turbomole}`" for name, f in FUNCTIONALS.items() if name != "hf"}
