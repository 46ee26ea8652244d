"""`pal plugins` and `pal kernels`: light, quick, honest about broken plugins and clashes."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys

import pytest
from fakes import oracle_package, write_package

HEAVY = {"torch", "ase", "mpi4py", "tblite", "schnetpack", "scipy"}


@pytest.mark.parametrize("args", [["plugins"], ["plugins", "--json"], ["kernels"], ["kernels", "--json"], ["--help"]])
def test_listing_imports_nothing_heavy(fresh, args):
    _, _, (code, modules) = fresh(*args)
    assert code == 0
    assert HEAVY.isdisjoint(modules)
    assert "pydantic" not in modules


def test_one_kernel_s_page_imports_options_but_no_kernel(fresh):
    out, _, (code, modules) = fresh("kernels", "pal.threshold")
    assert code == 0
    assert "(required)" in out
    assert "pal_core.builtin.selection_options" in modules
    assert "pal_core.builtin.selection" not in modules
    assert HEAVY.isdisjoint(modules)


@pytest.mark.parametrize("command", ["plugins", "kernels"])
def test_listing_of_five_plugins_takes_less_than_half_a_second(tmp_path, command):
    for i in range(5):
        oracle_package(tmp_path, f"pal-fake{i}", f"fake{i}.one")
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    times = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run = [sys.executable, "-m", "pal_core.cli.main", command]
        out = subprocess.run(run, capture_output=True, text=True, env=env, check=True, timeout=60).stdout
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        # Processor time: that of the clock depends on what else the machine does.
        times.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert all(f"fake{i}" in out for i in range(5))
    assert min(times) < 0.5


def test_broken_plugin_is_one_line_with_its_cause(fresh, tmp_path):
    write_package(tmp_path, "pal-bad", "import nosuchmodule_xyz", entry="bad")
    oracle_package(tmp_path, "pal-fake", "fake.one", entry="fake")
    out, err, (code, _) = fresh("plugins")
    assert code == 0
    (line,) = [row for row in out.splitlines() if row.startswith("bad")]
    assert "pal-bad" in line
    assert "broken: importing pal_bad failed: ModuleNotFoundError: No module named 'nosuchmodule_xyz'" in line
    assert any(row.split()[:3] == ["fake", "pal-fake", "1.2"] for row in out.splitlines())
    assert err == ""


def test_kernel_listing_survives_a_broken_plugin_and_says_so(fresh, tmp_path):
    write_package(tmp_path, "pal-bad", "1 / 0", entry="bad")
    oracle_package(tmp_path, "pal-fake", "fake.one")
    out, err, (code, _) = fresh("kernels")
    assert code == 0
    assert "fake.one" in out
    assert "warning: plugin bad of pal-bad 1.2 is broken: importing pal_bad failed: ZeroDivisionError" in err


@pytest.mark.parametrize("command", ["plugins", "kernels"])
def test_clash_names_both_packages_and_is_an_error(fresh, tmp_path, command):
    oracle_package(tmp_path, "pal-first", "same.name")
    oracle_package(tmp_path, "pal-second", "same.name")
    out, err, (code, _) = fresh(command)
    assert code == 2
    assert "error: kernel 'same.name' is given by pal-first 1.2 and by pal-second 1.2; uninstall one of them" in err
    assert ("pal-first" if command == "plugins" else "pal.threshold") in out


def test_json_of_plugins(fresh, tmp_path):
    oracle_package(tmp_path, "pal-fake", "fake.one", entry="fake")
    write_package(tmp_path, "pal-old", "", requires="pal-core>=9", entry="old")
    out, _, _ = fresh("plugins", "--json")
    data = json.loads(out)
    assert set(data) == {"pal_core", "plugins", "clashes"}
    found = {p["distribution"]: p for p in data["plugins"]}
    assert found["pal-fake"] == {
        "name": "fake",
        "distribution": "pal-fake",
        "version": "1.2",
        "module": "pal_fake",
        "requires_pal_core": found["pal-fake"]["requires_pal_core"],
        "kernels": ["fake.one"],
        "error": None,
    }
    assert "needs pal-core >=9" in found["pal-old"]["error"]
    assert found["pal-old"]["kernels"] == []
    assert "pal-core" in found


def test_json_of_kernels(pal):
    data = json.loads(pal("kernels", "--json").stdout)
    assert set(data) == {"kernels", "broken", "clashes"}
    found = {k["name"]: k for k in data["kernels"]}
    assert found["pal.toy-walker"] == {
        "name": "pal.toy-walker",
        "role": "generator",
        "summary": found["pal.toy-walker"]["summary"],
        "distribution": "pal",
        "version": "",
        "capabilities": ["bootstrap", "snapshot"],
        "target": "pal_core.builtin.walker:ToyWalker",
        "options_target": "pal_core.builtin.options:ToyWalkerOptions",
    }


def test_json_of_one_kernel_has_options_and_fields(pal):
    data = json.loads(pal("kernels", "pal.toy-oracle", "--json").stdout)
    assert [f["name"] for f in data["consumes"]] == ["x"]
    assert data["consumes"][0]["shape"] == [2]
    assert [f["name"] for f in data["produces"]] == ["energy", "gradient"]
    assert data["learns"] is None
    assert data["options"][0] == {
        "name": "delay",
        "type": "number >= 0",
        "unit": "s",
        "required": False,
        "default": 0.0,
        "description": "time that every label takes",
    }


def test_page_of_one_kernel_shows_options_with_units_and_fields(pal):
    page = pal("kernels", "pal.toy-oracle").stdout
    assert "oracle of pal" in page
    assert "reads samples\n  x  float64 (2)  -  A point of the plane." in page
    assert "gives labels\n  energy " in page
    assert "delay       0.0      s     number >= 0" in page


def test_kernel_in_a_file_is_described(pal, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pal_core.kernels import Oracle\n"
        "class Mine(Oracle):\n"
        '    """Guesses."""\n'
        "    def label(self, sample):\n"
        "        return {}\n"
    )
    page = pal("kernels", "mine.py:Mine").stdout
    assert "mine.py:Mine  oracle of" in page
    assert "Guesses." in page
    assert "no options" in page


def test_unknown_kernel_ends_with_one_message(pal):
    result = pal("kernels", "pal.treshold")
    assert result.exit_code == 2
    assert result.stdout == ""
    assert result.stderr == (
        "error: found 'pal.treshold', expected a kernel of an installed plugin\n"
        "  did you mean 'pal.threshold' or 'pal.residual'?\n"
    )


def test_fields_that_depend_on_required_options_are_said_to(pal, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pal_core.data import Field, Schema\n"
        "from pal_core.kernels import Oracle\n"
        "from pal_core.options import Interface, KernelOptions\n"
        "class Mine(Oracle):\n"
        "    class Options(KernelOptions):\n"
        "        name: str\n"
        "        def interface(self):\n"
        "            return Interface(produces=Schema([Field(self.name)]))\n"
        "    def label(self, sample):\n"
        "        return {}\n"
    )
    assert "fields depend on its options" in pal("kernels", "mine.py:Mine").stdout
