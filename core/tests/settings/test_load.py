"""Reading settings: files, dicts, paths, other ranks, and what the parser refuses."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from pal_core.errors import SettingsError
from pal_core.settings.load import Loaded, from_dict, load

SOUND = """
[run]
directory = "out"
[generator]
kernel = "pal.toy-walker"
walkers = 4
[model]
kernel = "pal.toy-model"
[training]
[oracle]
kernel = "pal.toy-oracle"
[selection]
options = { field = "gradient", upper = 1 }
[[check]]
kernel = "pal.finite"
[stop]
labels = 100
"""

TEN_MISTAKES = """[run]
sede = 3                            # 2: misspelt
batching = "al"                     # 3: not a choice
[generator]
kernel = "pal.toy-walker"
walkers = "four"                    # 6: wrong type
[generator.options]
temprature = 300                    # 8: misspelt option
longest = -1.0                      # 9: out of range
[model]
kernel = "pal.toy-modle"            # 11: no such kernel
members = 0                         # 12: out of range
[training]
timeout = 60                        # 14: belongs elsewhere
[oracle]
kernel = "fake.oracle"              # 16: a dependent mistake is not reported, the model is unknown
options = { field = "energy" }
[selection]
kernel = "pal.threshold"
options = { field = "energy" }      # 20: upper is missing
[data]
initial = ["start.xyzzy"]           # 22: no reader, and no such file
[stpo]                              # 23: misspelt table
labels = 3
"""


@pytest.fixture
def write(tmp_path: Path):
    def written(text: str) -> Path:
        (tmp_path / "toy.toml").write_text(text)
        return tmp_path / "toy.toml"

    return written


def test_sound_file_gives_settings_kernels_and_schemas(write, host):
    loaded = load(write(SOUND), host)
    assert loaded.settings.generator.walkers == 4
    assert loaded.directory == loaded.base / "out"
    assert [k.spec.name for k in loaded.kernels] == [
        "pal.toy-walker",
        "pal.toy-model",
        "pal.toy-oracle",
        "pal.threshold",
        "pal.finite",
    ]
    assert list(loaded.sample_schema) == ["x"]
    assert list(loaded.prediction_schema) == ["energy", "gradient"]
    assert loaded.label_schema == loaded.prediction_schema
    assert loaded.selection.options.upper == 1.0
    assert loaded.warnings == ()


def test_ten_mistakes_give_their_messages_at_once_with_their_lines(write, host):
    path = write(TEN_MISTAKES)
    with pytest.raises(SettingsError) as e:
        load(path, host)
    assert str(e.value).splitlines() == [
        f"{path}:2: run.sede: unknown key; did you mean 'seed' or 'schedule'?",
        f"{path}:3: run.batching: found 'al', expected 'ready' or 'all'",
        f"{path}:6: generator.walkers: found 'four', expected an integer",
        f"{path}:8: generator.options.temprature: unknown key; did you mean 'temperature'?",
        f"{path}:9: generator.options.longest: found -1.0, expected more than 0",
        f"{path}:11: model.kernel: found 'pal.toy-modle', expected a model of an installed plugin; "
        "did you mean 'pal.toy-model'?",
        f"{path}:12: model.members: found 0, expected more than 0",
        f"{path}:14: training.timeout: unknown key; it belongs in [oracle]",
        f"{path}:20: selection.options.upper: found nothing, expected a value [that of the field]; "
        "uncertainty above which a sample is labelled and not trusted",
        f"{path}:22: data.initial[0]: no installed format reads start.xyzzy; npz reads .npz",
        f"{path}:22: data.initial[0]: found 'start.xyzzy', expected an existing file in {path.parent}",
        f"{path}:23: stpo: unknown table; did you mean 'stop'?",
    ]


def test_problems_are_plain_values_for_json(write, host):
    with pytest.raises(SettingsError) as e:
        load(write("[run]\nsede = 1\n" + SOUND.replace("[run]", "")), host)
    assert json.loads(json.dumps([p.to_json() for p in e.value.problems])) == [
        {
            "line": 2,
            "key": "run.sede",
            "found": "unknown key",
            "expected": "",
            "hint": "did you mean 'seed' or 'schedule'?",
            "message": "run.sede: unknown key; did you mean 'seed' or 'schedule'?",
        }
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [("[run]\nseed = = 3\n", 2), ("a = 1\na = 2\n", 2), ('[run]\ndirectory = "x\n', 2), ("x = [1,\n2", 2)],
)
def test_syntax_error_has_its_line(write, host, text, line):
    with pytest.raises(SettingsError) as e:
        load(write(text), host)
    (problem,) = e.value.problems
    assert problem.line == line
    assert problem.found.startswith("no valid TOML: ")
    assert "(at" not in problem.found


def test_missing_file_is_said_to_be_missing(tmp_path, host):
    with pytest.raises(SettingsError) as e:
        load(tmp_path / "no.toml", host)
    assert str(e.value) == (
        f"{tmp_path}/no.toml: found no such file or directory, expected a settings file; "
        f"`pal init {tmp_path}/no.toml` writes one"
    )


def test_binary_file_is_refused(tmp_path, host):
    (tmp_path / "x.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match="not utf-8 text"):
        load(tmp_path / "x.toml", host)


def test_empty_file_lacks_its_tables(write, host):
    with pytest.raises(SettingsError) as e:
        load(write(""), host)
    assert [str(p) for p in e.value.problems] == [
        "generator: found nothing, expected a [generator] table",
        "model: found nothing, expected a [model] table",
    ]


def test_dict_gives_the_same_as_a_file(write, host, toy, tmp_path):
    toy["run"] = {"directory": Path("out"), "seed": np.int64(3)}
    toy["oracle"]["options"] = {"delay": np.float64(0.5)}
    loaded = from_dict(toy, tmp_path, host)
    assert loaded.settings.run.seed == 3
    assert loaded.oracle is not None
    assert loaded.oracle.options.delay == 0.5
    assert loaded.path is None
    assert json.loads(loaded.text)["run"] == {"directory": "out", "seed": 3}


def test_dict_s_problems_have_no_lines(host, toy, tmp_path):
    toy["model"]["members"] = 0
    with pytest.raises(SettingsError) as e:
        from_dict(toy, tmp_path, host)
    assert str(e.value) == "settings: model.members: found 0, expected more than 0"


def test_file_kernels_stand_beside_the_settings(write, host, toy, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pal_core.kernels import Oracle\n"
        "from pal_core.builtin.options import ToyOracleOptions\n"
        "class Mine(Oracle):\n"
        "    Options = ToyOracleOptions\n"
        "    def label(self, sample):\n"
        "        return {}\n"
    )
    toy["oracle"] = {"kernel": "mine.py:Mine", "options": {"delay": 0.1}}
    loaded = from_dict(toy, tmp_path, host)
    assert loaded.oracle is not None
    assert loaded.oracle.distribution == str(tmp_path / "mine.py")
    again = Loaded.from_json(loaded.to_json())
    assert again.oracle is not None
    assert again.oracle.load().__name__ == "Mine"
    assert again.oracle.options.delay == 0.1


def test_other_ranks_get_the_same_from_json(write, host):
    loaded = load(write(SOUND), host)
    again = Loaded.from_json(loaded.to_json())
    assert again == loaded
    assert [k.options for k in again.kernels] == [k.options for k in loaded.kernels]


def test_other_ranks_import_no_kernel_and_no_plugin(write, host):
    text = load(write(SOUND), host).to_json()
    code = """
import sys
from pal_core.settings.loaded import Loaded
loaded = Loaded.from_json(sys.stdin.read())
loaded.model.options
print([m for m in sys.modules if m.startswith(("pal_core.builtin", "importlib_metadata", "torch", "ase", "mpi4py"))])
"""
    run = subprocess.run([sys.executable, "-c", code], input=text, capture_output=True, text=True, check=True)
    loaded = run.stdout.strip()
    assert "pal_core.builtin.options" in loaded
    assert "pal_core.builtin.model" not in loaded
    assert "pal_core.builtin.plugin" not in loaded
    assert all(name not in loaded for name in ("torch", "'ase'", "mpi4py"))


def test_leaving_out_oracle_and_training_trusts_every_prediction(host, toy, tmp_path):
    for name in ("oracle", "training", "selection", "stop"):
        del toy[name]
    toy["model"]["trained"] = True
    loaded = from_dict(toy, tmp_path, host)
    assert loaded.selection.spec.name == "pal.all"
    assert loaded.oracle is None
    assert loaded.label_schema is None


def test_training_on_files_alone_takes_its_labels_from_the_model(host, toy, tmp_path):
    del toy["oracle"], toy["stop"]
    (tmp_path / "start.npz").write_bytes(b"")
    toy["data"] = {"initial": ["start.npz"]}
    loaded = from_dict(toy, tmp_path, host)
    assert loaded.initial == (tmp_path / "start.npz",)
    assert loaded.label_schema == loaded.prediction_schema
