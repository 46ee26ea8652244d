"""README says what the code does."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest
from references import REFERENCES

from pal_ase.electronic_options import PRESETS
from pal_ase.functionals import FUNCTIONALS
from pal_pyscf.options import DftOptions, TddftOptions

TEXT = (Path(__file__).parents[1] / "README.md").read_text()


def test_example_prints_what_it_promises(capsys):
    example = re.search(r"```python\n(.*?)```", TEXT, re.DOTALL)[1]
    exec(example, {})  # noqa: S102 -- our own file
    assert capsys.readouterr().out.strip() == example.rsplit("# ", 1)[1].strip()


@pytest.mark.parametrize("model", [DftOptions, TddftOptions])
def test_every_option_stands_in_the_table_with_its_unit_and_default(model):
    for name, field in model.model_fields.items():
        row = re.search(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)[0]
        _, _, unit, default, _ = (cell.strip(" `") for cell in row.split("|")[1:-1])
        assert unit == (field.json_schema_extra or {}).get("unit", "")
        words = {"none": None, "false": False, "true": True}
        assert (words[default] if default in words else literal_eval(default)) == field.default


def test_options_of_one_kernel_are_marked():
    for name in TddftOptions.model_fields:
        row = re.search(rf"^\| `{name}` \|.*$", TEXT, re.MULTILINE)[0]
        assert ("| `pyscf.tddft` |" in row) == (name not in DftOptions.model_fields), name


def test_every_functional_stands_in_the_table_with_its_turbomole_name():
    for name, functional in FUNCTIONALS.items():
        row = next(line for line in TEXT.splitlines() if line.startswith("|") and f"`{name}`" in line.split("|")[1])
        assert functional.turbomole in row


def test_every_preset_is_described():
    assert [name for name in PRESETS if f"\n| `{name}` |" not in TEXT] == []


def bound(value, tolerance):
    return f"{tolerance:.0e}".replace("e-0", "e-") if value else ""


def row(reference):
    bounds = (
        bound(reference.energy is not None, reference.energy_tolerance),
        bound(reference.excitations, reference.excitation_tolerance),
        bound(reference.gradient, reference.gradient_tolerance),
    )
    return f"| {' | '.join((reference.name, reference.source, *bounds))} |".replace("|  |", "| |").replace(
        "|  |", "| |"
    )


@pytest.mark.parametrize("reference", REFERENCES, ids=lambda r: r.name)
def test_every_reference_stands_in_the_table_with_its_tolerance(reference):
    assert row(reference) in TEXT
