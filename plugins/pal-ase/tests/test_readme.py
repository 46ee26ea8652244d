"""README says what the code does."""

from __future__ import annotations

import importlib
import re
from ast import literal_eval
from pathlib import Path

import pytest
from ase.build import molecule
from ase.io import write
from ase_engine import Player, Springs
from click.testing import CliRunner
from pal_core.reading import parse_toml
from pal_core.spec import KernelSpec, Role, load_target
from toy_committees import Tethers, quick_answer

from pal_ase.bias_options import (
    BiasedOptions,
    HillVariableOptions,
    MetadynamicsOptions,
    RestraintOptions,
    UncertaintyOptions,
)
from pal_ase.check_options import (
    BalancedOptions,
    ConsistentOptions,
    FiniteOptions,
    FreshOptions,
    LevelOptions,
    PlausibleOptions,
)
from pal_ase.cluster_options import ClustersOptions
from pal_ase.commands import reference
from pal_ase.driver import DriverWalker
from pal_ase.label_options import CalculatorOptions
from pal_ase.options import DriverOptions, LangevinOptions, VerletOptions
from pal_ase.plugin import pal_kernels
from pal_ase.sampler_options import FragmentsOptions, ModesOptions, SamplerOptions, TransferOptions
from pal_ase.search_options import OptimizeOptions, TsSearchOptions
from pal_ase.variable_options import VariableOptions

TEXT = (Path(__file__).parents[1] / "README.md").read_text()
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
MODELS = [
    BiasedOptions,
    SamplerOptions,
    DriverOptions,
    LangevinOptions,
    OptimizeOptions,
    TsSearchOptions,
    VerletOptions,
    CalculatorOptions,
    BalancedOptions,
    ConsistentOptions,
    FiniteOptions,
    FreshOptions,
    LevelOptions,
    PlausibleOptions,
]
TABLES = {
    ClustersOptions: "`structure`",
    VariableOptions: "variable",
    RestraintOptions: "`restraints`",
    HillVariableOptions: "`metadynamics.variables`",
    MetadynamicsOptions: "`metadynamics`",
    UncertaintyOptions: "`uncertainty`",
    ModesOptions: "`modes`",
    FragmentsOptions: "`fragments`",
    TransferOptions: "`transfer`",
}


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


@pytest.mark.parametrize("model", [*MODELS, *TABLES])
def test_every_option_stands_in_a_table_with_its_unit_and_default(model):
    inherited = VariableOptions.model_fields if model is not VariableOptions and model in TABLES else {}
    for name, field in model.model_fields.items():
        if name in inherited:
            continue
        cells = _row(model, name)
        unit, default = cells[-3], cells[-2]
        assert unit == (field.json_schema_extra or {}).get("unit", ""), name
        words = {"none": None, "false": False, "true": True}
        if default == "required":
            assert field.is_required()
        else:
            value = words[default] if default in words else literal_eval(default)
            assert field.get_default(call_default_factory=True) == value, name


def _row(model, name: str) -> list[str]:
    """Cells of the option's row; options of several kernels or tables have the same names."""
    rows = re.findall(rf"^\| `{name}` (\|.*)\|$", _section(model), re.MULTILINE)
    owner = TABLES.get(model) or _kernel(model)
    (row,) = [row for row in rows if not owner or re.match(rf"\|[^|]*{re.escape(owner)}|\| all \|", row)]
    return [cell.strip(" `") for cell in row.split("|")]


def _kernel(model) -> str:
    """The kernel that the options belong to, as its name stands in the tables; none for the oracle's, whose do not."""
    target = f"{model.__module__}:{model.__name__}"
    (kernel,) = [spec.name for spec in pal_kernels() if spec.options == target]
    return "" if model is CalculatorOptions else f"`{kernel}`"


def _section(model) -> str:
    """The table's section; some options of walkers and oracles have the same names."""
    walkers, rest = TEXT.split("## Oracle `ase.calculator`")
    oracle, checks = rest.split("## Label checks")
    if model is CalculatorOptions:
        return oracle
    return walkers if model in TABLES or "structure" in model.model_fields else checks


@pytest.mark.parametrize(("kernel", "model"), [("ase.biased-md", BiasedOptions), ("ase.sampler", SamplerOptions)])
def test_settings_of_explorers_make_walkers_that_walk(kernel, model, tmp_path, context):
    (text,) = (t for t in re.findall(r"```toml\n(.*?)```", TEXT, re.DOTALL) if f'kernel = "{kernel}"' in t)
    methyl = molecule("CH3")
    methyl.positions += [1.5, 1.5, 1.5]
    start = molecule("CH4") + methyl
    write(tmp_path / "methane-methyl.xyz", start)
    options = parse_toml(text)["generator"]["options"]
    made = model(**{**options, "structure": tmp_path / "methane-methyl.xyz"})
    (spec,) = (spec for spec in pal_kernels() if spec.name == kernel)
    walker = load_target(spec.target)(made, context())
    feedback = None
    for _ in range(8):
        sample = walker.propose(feedback)
        feedback = quick_answer(sample, [Tethers(start.positions), Tethers(start.positions, 5.1)])
    assert len(sample["numbers"]) == 9


def test_every_kernel_stands_in_the_first_table():
    for spec in pal_kernels():
        assert f"| `{spec.name}` |" in TEXT


def test_command_is_one_that_parses(tmp_path):
    line = re.search(r"^    pal reference (.*)$", TEXT, re.MULTILINE)[1].split()
    result = CliRunner().invoke(reference, [*line, "--frames", "0"])
    assert "'ethanol.xyz' does not exist" in result.output or "0 is not in the range" in result.output
