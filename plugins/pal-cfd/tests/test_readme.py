"""README says what the code does."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest

from pal_cfd.embedded_options import EmbeddedOptions
from pal_cfd.openfoam_options import OpenFoamOptions

TEXT = (Path(__file__).parents[1] / "README.md").read_text()

NAMES = {EmbeddedOptions: "cfd.embedded", OpenFoamOptions: "cfd.openfoam"}


def test_example_prints_what_it_promises(capsys):
    example = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    exec(example, {})  # noqa: S102 -- our own file
    assert capsys.readouterr().out.strip() == example.rsplit("# ", 1)[1].strip()


@pytest.mark.parametrize("model", [EmbeddedOptions, OpenFoamOptions])
def test_every_option_stands_in_the_table_with_its_unit_and_default(model):
    for name, field in model.model_fields.items():
        row = re.search(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)[0]
        _, _, unit, default, _ = (cell.strip(" `") for cell in row.split("|")[1:-1])
        assert unit == (field.json_schema_extra or {}).get("unit", "")
        usual, *others = default.replace("`", "").split("; ")
        text = dict(other.split(": ") for other in others).get(NAMES[model], usual)
        found = {"true": True, "false": False}[text] if text.isalpha() else literal_eval(text)
        assert found == field.default
