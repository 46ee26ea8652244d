"""README says what the code does."""

from __future__ import annotations

import importlib
import re
from ast import literal_eval
from pathlib import Path

import pytest
from ase.build import molecule
from ase_engine import Player, Springs
from click.testing import CliRunner
from pal_core.spec import KernelSpec, Role

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


def test_model_learns_and_keeps_the_contract(capsys, tmp_path, monkeypatch):
    model, contract = EXAMPLES[3:]
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "bonds.py").write_text(model)
    names: dict = {}
    exec(contract, names)  # noqa: S102 -- our own file
    bonds = importlib.import_module("bonds")
    assert capsys.readouterr().out.strip() == model.rsplit("# ", 1)[1].strip()
    spec = KernelSpec("bonds.committee", Role.MODEL, "bonds:Bonds", "bonds:BondOptions")
    monkeypatch.setattr(names["TestBonds"], "spec", lambda self: spec)
    for test, arguments in (
        ("test_rotated_and_moved_structures_have_the_same_energy", ["molecule"]),
        ("test_forces_are_the_derivative_of_the_energy", ["crystal"]),
        ("test_energy_and_forces_are_smooth_where_atoms_come_into_reach", []),
        ("test_weights_in_a_file_are_all_that_another_member_needs", []),
    ):
        subject = names["TestBonds"]()
        subject.open_workplace(tmp_path)
        getattr(subject, test)(*arguments)
    assert bonds.Bonds.kernel == subject.name


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
