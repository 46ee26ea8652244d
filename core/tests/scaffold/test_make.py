"""Packages written by `pal new-plugin` work as they stand."""

from __future__ import annotations

import importlib
import importlib.util
import os
import subprocess
import sys
from ast import literal_eval
from pathlib import Path

import pytest
from click.testing import CliRunner

from pal_core import __version__
from pal_core.cli.main import cli
from pal_core.scaffold.examples import EXAMPLES
from pal_core.scaffold.make import make, render
from pal_core.scaffold.names import Names, ScaffoldError
from pal_core.spec import Role

ROLES = pytest.mark.parametrize("role", list(Role), ids=lambda role: role.value)
REPOSITORY = Path(__file__).parents[3]


@pytest.fixture
def environment(tmp_path):
    """Write the metadata that pip would, and give the environment in which the package is found."""

    def build(folder: Path, names: Names) -> dict[str, str]:
        record = tmp_path / "site" / f"{names.package}-0.1.0.dist-info"
        record.mkdir(parents=True)
        (record / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {names.distribution}\nVersion: 0.1.0\n")
        (record / "entry_points.txt").write_text(f"[pal]\n{names.plugin} = {names.package}.plugin\n")
        path = [str(record.parent), str(folder / "src"), os.environ.get("PYTHONPATH", "")]
        return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, path)), "OMP_NUM_THREADS": "1"}

    return build


def run(*command: str, cwd: Path, env: dict[str, str] | None = None) -> str:
    done = subprocess.run(
        [sys.executable, *command], cwd=cwd, env=env, capture_output=True, text=True, timeout=100, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@ROLES
def test_package_passes_its_contract_tests(tmp_path, environment, role):
    names = Names("pal-orca", role, "fast-dft")
    folder = make(names, tmp_path)
    out = run("-m", "pytest", "-q", "-p", "no:cacheprovider", cwd=folder, env=environment(folder, names))
    assert " passed" in out


@ROLES
def test_example_settings_pass_the_check(tmp_path, environment, role):
    names = Names("pal-orca", role, "dft")
    folder = make(names, tmp_path)
    out = run("-m", "pal_core.cli.main", "check", "example.toml", cwd=folder, env=environment(folder, names))
    assert "orca.dft" in out


@ROLES
def test_readme_tells_the_options_as_they_are(tmp_path, monkeypatch, role):
    folder = make(Names(f"pal-readme-{role.value}", role, "dft"), tmp_path)
    monkeypatch.syspath_prepend(str(folder / "src"))
    options = importlib.import_module(f"pal_readme_{role.value}.options")
    fields = getattr(options, options.__all__[0]).model_fields
    assert fields.keys() == EXAMPLES[role].options.keys()
    for name, (default, meaning) in EXAMPLES[role].options.items():
        assert literal_eval(default) == fields[name].default
        assert meaning == fields[name].description
        assert f"| `{name}` | {default} | {meaning} |" in (folder / "README.md").read_text()


@ROLES
def test_plugin_and_options_are_light(tmp_path, environment, role):
    names = Names("pal-orca", role, "dft")
    folder = make(names, tmp_path)
    code = (
        "import sys, pal_orca.plugin, pal_orca.options\n"
        f"print(sorted({{'torch', 'ase', 'mpi4py', 'scipy', 'pytest', 'pal_orca.{role.value}'}} & sys.modules.keys()))"
    )
    assert run("-c", code, cwd=folder, env=environment(folder, names)).strip() == "[]"


@pytest.mark.parametrize("house_rules", [False, True], ids=["elsewhere", "here"])
def test_packages_pass_lint(tmp_path, house_rules):
    if importlib.util.find_spec("ruff") is None:
        pytest.skip("ruff isn't installed")
    for name in ("pal-orca", "pal-abc", "pal-quantum-espresso"):
        for role in Role:
            make(Names(name, role, "plane-waves"), tmp_path / role.value)
    rules = ["--config", str(REPOSITORY / "ruff.toml")] if house_rules else ["--isolated"]
    run("-m", "ruff", "check", *rules, "--no-cache", ".", cwd=tmp_path)
    short = [f"{role.value}/pal-orca" for role in Role]
    run("-m", "ruff", "format", "--check", *rules, "--no-cache", *short, cwd=tmp_path)


def test_package_asks_for_this_pal_core_and_gives_one_entry_point():
    project = render(Names("pal-orca", Role.ORACLE, "dft"))["pyproject.toml"]
    major, minor = __version__.split(".")[:2]
    assert f'"pal-core>={major}.{minor},<{major}.{int(minor) + 1}"' in project
    assert '[project.entry-points.pal]\norca = "pal_orca.plugin"\n' in project


@ROLES
def test_every_file_is_filled_in(role):
    for name, text in render(Names("pal-orca", role, "dft")).items():
        assert "$" not in text, name
        assert "PACKAGE" not in name
        assert not name.endswith(".tmpl")


@pytest.mark.parametrize(
    ("name", "suggestion"),
    [
        ("orca", "pal-orca"),
        ("pal-Orca", "pal-orca"),
        ("pal_orca", "pal-orca"),
        ("pal-", "pal-orca"),
        ("pal-3d", "pal-orca"),
        ("pal--orca", "pal-orca"),
        ("pal-orca/../../x", "pal-orca-x"),
        ("PAL-My Code", "pal-my-code"),
    ],
)
def test_bad_package_name_is_refused_with_a_better_one(name, suggestion):
    with pytest.raises(ScaffoldError, match="'pal-' and lower-case words joined by hyphens are wanted") as caught:
        Names(name, Role.ORACLE, "dft")
    assert caught.value.hint == f"for example: pal new-plugin {suggestion} --role oracle"
    assert Names(suggestion, Role.ORACLE, "dft").distribution == suggestion


@pytest.mark.parametrize("name", ["pal-core", "pal-pal"])
def test_name_of_the_core_is_refused(name):
    with pytest.raises(ScaffoldError, match=f"package name '{name}' is PAL's own; choose another one"):
        Names(name, Role.ORACLE, "dft")


@pytest.mark.parametrize("kernel", ["", "DFT", "orca.dft", "dft_", "9", "a b"])
def test_bad_kernel_name_is_refused(kernel):
    with pytest.raises(ScaffoldError, match=r"kernel name .* wanted; .* --kernel dft makes orca\.dft"):
        Names("pal-orca", Role.ORACLE, kernel)


def test_folder_that_is_not_empty_is_left_alone(tmp_path):
    names = Names("pal-orca", Role.ORACLE, "dft")
    (tmp_path / "pal-orca").mkdir()
    make(names, tmp_path)
    readme = tmp_path / "pal-orca" / "README.md"
    readme.write_text("mine")
    with pytest.raises(ScaffoldError, match=r"pal-orca is already there and not empty; .* nothing was written"):
        make(names, tmp_path)
    assert readme.read_text() == "mine"


def test_command_says_what_to_do_next(tmp_path):
    done = CliRunner().invoke(cli, ["new-plugin", "pal-orca", "--role", "oracle", "--directory", str(tmp_path)])
    assert done.exit_code == 0, done.output
    for line in (f"cd {tmp_path}/pal-orca", 'pip install -e ".[test]"', "pytest", "pal kernels orca.oracle"):
        assert f"    {line}\n" in done.output
    assert (tmp_path / "pal-orca" / "src" / "pal_orca" / "oracle.py").is_file()


def test_command_ends_with_a_message_and_code_2(tmp_path):
    arguments = ["new-plugin", "orca", "--role", "oracle", "--kernel", "dft", "--directory", str(tmp_path)]
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code == 2
    assert "error: package name 'orca'" in done.output
    assert not list(tmp_path.iterdir())
