"""`pal check`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

SOUND = """
[generator]
kernel = "pal.toy-walker"
walkers = 4
[model]
kernel = "pal.toy-model"
[training]
processes = 2
[oracle]
kernel = "pal.toy-oracle"
processes = 3
[selection]
options = { field = "gradient", upper = 1 }
[stop]
labels = 100
"""


@pytest.fixture
def toml(tmp_path: Path) -> Path:
    (tmp_path / "toy.toml").write_text(SOUND)
    return tmp_path / "toy.toml"


def test_sound_settings_give_kernels_and_ranks(pal, toml):
    result = pal("check", "toy.toml")
    assert result.exit_code == 0
    assert "toy.toml is sound\n  generator  pal.toy-walker  pal   walkers 4\n" in result.stdout
    assert "ranks on this machine: controller 1, prediction 1, generator 1, oracle 3, training 2" in result.stdout


def test_json_of_sound_settings(pal, toml):
    data = json.loads(pal("check", "toy.toml", "--json").stdout)
    assert set(data) == {"file", "ok", "problems", "warnings", "kernels", "ranks"}
    assert data["ok"] is True
    assert data["kernels"][0] == {
        "role": "generator",
        "name": "pal.toy-walker",
        "distribution": "pal",
        "version": "",
        "walkers": 4,
    }
    assert data["ranks"]["total"] == 8


def test_problems_are_listed_with_lines_and_exit_code_2(pal, toml):
    toml.write_text(SOUND.replace("walkers = 4", "walkers = 0\nwolkers = 4"))
    result = pal("check", "toy.toml")
    assert result.exit_code == 2
    assert result.stdout.splitlines() == [
        "toy.toml:4: generator.walkers: found 0, expected more than 0",
        "toy.toml:5: generator.wolkers: unknown key; did you mean 'walkers'?",
        "2 problems in toy.toml",
    ]
    data = json.loads(pal("check", "toy.toml", "--json").stdout)
    assert data["ok"] is False
    assert [p["line"] for p in data["problems"]] == [4, 5]


def test_warnings_do_not_fail(pal, toml):
    toml.write_text(SOUND.replace("labels = 100", ""))
    result = pal("check", "toy.toml")
    assert result.exit_code == 0
    assert "toy.toml:14: stop: no stop rule" in result.stdout
    assert "(warning)\n" in result.stdout


def test_kernel_that_cannot_be_imported_is_found_unless_light(pal, toml, tmp_path):
    (tmp_path / "late.py").write_text("import nosuchlibrary_xyz\n")
    (tmp_path / "light.py").write_text(
        "from pal_core.hookspecs import hookimpl\n"
        "from pal_core.spec import KernelSpec, Role\n"
        "@hookimpl\n"
        "def pal_kernels():\n"
        "    options = 'pal_core.builtin.options:ToyOracleOptions'\n"
        "    return [KernelSpec('late.oracle', Role.ORACLE, 'late:Oracle', options)]\n"
    )
    import sys

    from pal_core.builtin import plugin
    from pal_core.plugins.host import PluginHost

    sys.path.insert(0, str(tmp_path))
    try:
        import light

        host = PluginHost.of({"pal": plugin, "late": light})
        toml.write_text(SOUND.replace("pal.toy-oracle", "late.oracle"))
        result = pal("check", "toy.toml", host=host)
        assert result.exit_code == 2
        assert (
            "toy.toml:10: oracle.kernel: kernel 'late.oracle': importing late failed: ModuleNotFoundError: "
            "No module named 'nosuchlibrary_xyz' (late.py:1); install the package that has 'nosuchlibrary_xyz'"
        ) in result.stdout
        assert pal("check", "toy.toml", "--light", host=host).exit_code == 0
    finally:
        sys.path.remove(str(tmp_path))
        del sys.modules["light"]


def test_program_that_is_missing_is_a_problem_unless_light(pal, toml, monkeypatch):
    from pal_core.builtin.oracle import ToyOracle
    from pal_core.errors import PalError

    def check(cls, options):
        raise PalError(f"there is no program tiny (delay {options.delay:g} s)", "install it")

    toml.write_text(SOUND)
    monkeypatch.setattr(ToyOracle, "check_machine", classmethod(check))
    result = pal("check", "toy.toml")
    assert result.exit_code == 2
    assert "toy.toml:10: oracle.kernel: there is no program tiny (delay 0 s); install it" in result.stdout
    assert pal("check", "toy.toml", "--light").exit_code == 0


def test_initial_data_are_read(pal, toml, tmp_path):
    (tmp_path / "start.npz").write_bytes(b"not an archive")
    toml.write_text(SOUND + '[data]\ninitial = ["start.npz"]\n')
    result = pal("check", "toy.toml")
    assert result.exit_code == 2
    assert "toy.toml:17: data.initial[0]: found start.npz, which can't be read (" in result.stdout
    assert "expected samples and labels with x, energy, gradient" in result.stdout
    assert pal("check", "toy.toml", "--light").exit_code == 0


def test_missing_file_is_one_problem(pal):
    result = pal("check", "nowhere.toml")
    assert result.exit_code == 2
    assert "`pal init nowhere.toml` writes one" in result.stdout


def test_weights_and_runs_to_begin_with_are_looked_at(pal, toml, finished, tmp_path):
    (tmp_path / "old").mkdir()
    toml.write_text(SOUND.replace('"pal.toy-model"', f'"pal.toy-model"\nstart = "{finished / "run"}"'))
    assert pal("check", "toy.toml").exit_code == 0
    toml.write_text(SOUND.replace('"pal.toy-model"', '"pal.toy-model"\nstart = "old"'))
    assert f"model.start: {tmp_path / 'old'} holds no weights of a member" in pal("check", "toy.toml").stdout
    toml.write_text(f'{SOUND}[data]\ninitial = ["{finished / "run"}"]\n')
    assert "run without a label of this level of theory" not in pal("check", "toy.toml").stdout
    (tmp_path / "old" / "pal.sqlite").write_bytes(b"")
    toml.write_text(f'{SOUND}[data]\ninitial = ["old"]\n')
    assert "data.initial[0]: found old, which can't be used" in pal("check", "toy.toml").stdout
