"""`pal init`: a file that passes `pal check`, with every key in it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from types import ModuleType

import pytest

from pal_core.builtin import plugin
from pal_core.cli.toml_text import toml_value
from pal_core.hookspecs import hookimpl
from pal_core.plugins.host import PluginHost
from pal_core.settings.load import load
from pal_core.settings.tables import TABLES
from pal_core.spec import KernelSpec, Role

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

OPTIONS = """
from pathlib import Path
from pydantic import Field
from pal_core.data import Field as Column, Schema
from pal_core.options import Interface, KernelOptions

ATOMS = Schema([Column("positions", shape=("atoms", 3), unit="Å")])
FORCES = Schema([Column("forces", shape=("atoms", 3), unit="eV/Å")])

class Walker(KernelOptions):
    structure: Path = Field(description="start structure", examples=["start.xyz"])
    steps: int | None = Field(None, gt=0, description="steps", json_schema_extra={"unit": "fs"})
    def interface(self):
        return Interface(FORCES, ATOMS)

class Model(KernelOptions):
    def interface(self):
        return Interface(ATOMS, FORCES)

class Oracle(Model):
    pass

class Check(KernelOptions):
    def interface(self):
        return Interface(ATOMS, learns=FORCES)
"""


@pytest.fixture
def atoms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PluginHost:
    """A host with atomistic kernels beside the toys."""
    (tmp_path / "atoms_options.py").write_text(OPTIONS)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "atoms_options", raising=False)
    module = ModuleType("atoms")
    names = {"ase.langevin": Role.GENERATOR, "schnet.committee": Role.MODEL, "xtb.gfn2": Role.ORACLE}
    models = {Role.GENERATOR: "Walker", Role.MODEL: "Model", Role.ORACLE: "Oracle"}
    able = frozenset({"bootstrap"})
    specs = [KernelSpec(n, r, "nowhere:X", f"atoms_options:{models[r]}", capabilities=able) for n, r in names.items()]
    specs.append(KernelSpec("ase.trustworthy", Role.CHECK, "nowhere:X", "atoms_options:Check"))
    module.pal_kernels = hookimpl(lambda: specs)
    return PluginHost.of({"pal": plugin, "atoms": module})


def test_file_for_the_toys_passes_the_check(pal, host, tmp_path):
    result = pal("init")
    assert result.exit_code == 0
    assert result.stdout == (
        "pal.toml written: pal.toy-walker, pal.toy-model, pal.toy-oracle\nnext: pal check pal.toml; pal run pal.toml\n"
    )
    assert pal("check", "pal.toml").exit_code == 0
    assert load(tmp_path / "pal.toml", host).warnings == ()


def test_every_key_of_every_table_is_there_with_its_meaning(pal, tmp_path):
    pal("init", "x.toml")
    text = (tmp_path / "x.toml").read_text()
    for name, kind in TABLES.items():
        assert f"[{name}]" in text
        part = text.split(f"[{name}]\n")[1] if f"\n[{name}]\n" in text else text.split(f"[[{name}]]\n")[1]
        for key in kind.model_fields.keys() - {"options"}:
            assert re.search(rf"^(# )?{key} = .+# .+", part.split("\n\n# ")[0], re.MULTILINE), f"{name}.{key}"
    assert "# temperature = 20.0              # temperature times Boltzmann's constant" in text
    assert "# delay = 0.0                     # time that every label takes [s]" in text


def test_keys_without_their_hash_are_valid(pal, host, tmp_path):
    pal("init", "x.toml")
    text = re.sub(r"^# (?=\[|[a-z_]+ = )", "", (tmp_path / "x.toml").read_text(), flags=re.MULTILINE)
    assert len(tomllib.loads(text)["stop"]) == len(TABLES["stop"].model_fields)
    # Rules may object to the examples taken together (more rules than one run needs), types may not.
    text = re.sub(r"^(processes|ahead|giveup|start) = .*$", "", text, flags=re.MULTILINE)
    (tmp_path / "x.toml").write_text(text)
    assert pal("check", "x.toml", "--light").stdout.startswith("x.toml is sound")


def test_installed_atomistic_kernels_come_before_toys_and_what_is_missing_is_said(pal, atoms, tmp_path):
    result = pal("init", "x.toml", host=atoms)
    assert "x.toml written: ase.langevin, schnet.committee, xtb.gfn2" in result.stdout
    assert 'structure = "start.xyz"           # REQUIRED: start structure' in (tmp_path / "x.toml").read_text()
    assert 'field = "forces"' in (tmp_path / "x.toml").read_text()
    assert "next: pal check x.toml" in result.stdout


def test_checks_that_fit_are_written(pal, atoms, tmp_path):
    assert pal("init", "x.toml", host=atoms).exit_code == 0
    checks = tomllib.loads((tmp_path / "x.toml").read_text())["check"]
    assert [check["kernel"] for check in checks] == ["ase.trustworthy", "pal.residual"]
    pal("init", "y.toml", "--generator", "pal.toy-walker", host=atoms)
    checks = tomllib.loads((tmp_path / "y.toml").read_text())["check"]
    assert [check["kernel"] for check in checks] == ["pal.finite", "pal.residual"]


def test_missing_files_are_named(pal, tmp_path, monkeypatch):
    (tmp_path / "mine.py").write_text(
        "from pydantic import Field, FilePath\n"
        "from pal_core.builtin.options import ToyOracleOptions\n"
        "from pal_core.kernels import Oracle\n"
        "class Mine(Oracle):\n"
        "    class Options(ToyOracleOptions):\n"
        "        table: FilePath = Field(description='a table')\n"
        "    def label(self, sample):\n"
        "        return {}\n"
    )
    result = pal("init", "x.toml", "--oracle", "mine.py:Mine")
    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[1] == "before it can run, supply or choose:"
    assert re.fullmatch(
        r"  x.toml:\d+: oracle.options.table: found 'path/to/table', expected an existing file", lines[2]
    )
    assert len(lines) == 3


def test_wish_decides_what_the_others_must_fit(pal, atoms):
    result = pal("init", "x.toml", "--generator", "pal.toy-walker", host=atoms)
    assert "x.toml written: pal.toy-walker, pal.toy-model, pal.toy-oracle" in result.stdout


def test_unknown_wish_is_refused(pal, tmp_path):
    result = pal("init", "x.toml", "--model", "schnet.committee")
    assert result.exit_code == 2
    assert "pip install pal-schnet" in result.stderr
    assert not (tmp_path / "x.toml").exists()


def test_existing_file_is_kept_without_force(pal, tmp_path):
    (tmp_path / "x.toml").write_text("mine")
    result = pal("init", "x.toml")
    assert result.exit_code == 2
    assert "x.toml exists already" in result.stderr
    assert (tmp_path / "x.toml").read_text() == "mine"
    assert pal("init", "x.toml", "--force").exit_code == 0
    assert (tmp_path / "x.toml").read_text() != "mine"


def test_missing_folder_is_named(pal):
    assert "there is no folder nowhere" in pal("init", "nowhere/x.toml").stderr


@pytest.mark.parametrize(
    "value",
    [
        0.1,
        1e-6,
        1e30,
        -0.0,
        3,
        True,
        'a "b" \\ ü\n\t\x7f',
        [1, [2.5]],
        {"a b": 1, "c": {"d": []}},
        {},
        1.2345678901e-12,
    ],
)
def test_values_survive_being_written_as_toml(value):
    assert tomllib.loads(f"k = {toml_value(value)}")["k"] == value
