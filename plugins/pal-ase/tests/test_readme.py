"""README says what the code does."""

from __future__ import annotations

import re
from ast import literal_eval
from pathlib import Path

import pytest
from ase.build import molecule
from ase_engine import Player, Springs
from click.testing import CliRunner

from pal_ase.check_options import ConsistentOptions, FiniteOptions, FreshOptions, LevelOptions, PlausibleOptions
from pal_ase.commands import reference
from pal_ase.driver import DriverWalker
from pal_ase.label_options import CalculatorOptions
from pal_ase.options import DriverOptions, LangevinOptions, VerletOptions
from pal_ase.plugin import pal_kernels

TEXT = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
MODELS = [
    DriverOptions,
    LangevinOptions,
    VerletOptions,
    CalculatorOptions,
    ConsistentOptions,
    FiniteOptions,
    FreshOptions,
    LevelOptions,
    PlausibleOptions,
]


def test_example_prints_what_it_promises(capsys):
    exec(EXAMPLES[0], {})  # noqa: S102 -- our own file
    assert capsys.readouterr().out.strip() == EXAMPLES[0].rsplit("# ", 1)[1].strip()


@pytest.mark.parametrize("k", [1, 2])
def test_functions_walk(k, tmp_path, save, context):
    (tmp_path / "mine.py").write_text(EXAMPLES[k])
    name = re.search(r"def (\w+)", EXAMPLES[k])[1]
    start = molecule("CH3CH2OH")
    options = {"structure": save(start), "function": f"{tmp_path / 'mine.py'}:{name}", "isolated": 0, "closest": 0}
    player = Player(DriverWalker(DriverOptions(**options), context()), Springs(start.positions))
    assert len(player.play(15)) == 15


@pytest.mark.parametrize("model", MODELS)
def test_every_option_stands_in_a_table_with_its_unit_and_default(model):
    for name, field in model.model_fields.items():
        row = re.search(rf"^\| `{name}` \|({_kernel(model)}.*)$", _section(model), re.MULTILINE)[1]
        cells = [cell.strip(" `") for cell in row.split("|")[:-1]]
        unit, default = cells[-3], cells[-2]
        assert unit == (field.json_schema_extra or {}).get("unit", ""), name
        words = {"none": None, "false": False, "true": True}
        if default == "required":
            assert field.is_required()
        else:
            value = words[default] if default in words else literal_eval(default)
            assert field.get_default(call_default_factory=True) == value, name


def _kernel(model) -> str:
    """What the second cell begins with: options of several checks have the same names."""
    name = model.__name__.removesuffix("Options").lower()
    return rf" `ase\.{name}` \|" if model.__module__.endswith("check_options") else ""


def _section(model) -> str:
    """The table's section; some options of walkers and oracles have the same names."""
    walkers, rest = TEXT.split("## Oracle `ase.calculator`")
    oracle, checks = rest.split("## Label checks")
    if model is CalculatorOptions:
        return oracle
    return walkers if hasattr(model.model_fields.get("structure"), "description") else checks


def test_every_kernel_stands_in_the_first_table():
    for spec in pal_kernels():
        assert f"| `{spec.name}` |" in TEXT


def test_command_is_one_that_parses(tmp_path):
    line = re.search(r"^    pal reference (.*)$", TEXT, re.MULTILINE)[1].split()
    result = CliRunner().invoke(reference, [*line, "--frames", "0"])
    assert "'ethanol.xyz' does not exist" in result.output or "0 is not in the range" in result.output
