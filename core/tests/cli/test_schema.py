"""`pal schema`: what editors check settings by agrees with `pal check`."""

from __future__ import annotations

import json
import sys

import pytest

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

SOUND = """
[run]
directory = "out"
[generator]
kernel = "pal.toy-walker"
options = { start = [[0.1, 0.2]], steps = 3 }
[model]
kernel = "pal.toy-model"
[oracle]
kernel = "mine.py:Mine"
options = { anything = 3 }
[selection]
options = { field = "gradient", upper = 1 }
[[check]]
kernel = "pal.finite"
[stop]
converged = { uncertain = 0.1 }
"""


@pytest.fixture
def schema(pal):
    return json.loads(pal("schema").stdout)


@pytest.fixture
def accepts(schema):
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.Draft202012Validator.check_schema(schema)
    return lambda text: jsonschema.Draft202012Validator(schema).is_valid(tomllib.loads(text))


def test_schema_says_its_draft_and_has_every_table(schema):
    from pal_core.settings.tables import TABLES

    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert set(schema["properties"]) == set(TABLES)
    assert set(schema["required"]) == {"generator", "model"}


def test_units_are_in_the_descriptions_and_null_is_gone(schema):
    timeout = schema["$defs"]["OracleTable"]["properties"]["timeout"]
    assert timeout["description"] == "longest time for one label; needs isolate [s]"
    assert '"null"' not in json.dumps(schema)
    assert "default" not in schema["$defs"]["StopTable"]["properties"]["labels"]


def test_options_follow_from_the_kernel_s_name(schema):
    branches = {b["if"]["properties"]["kernel"]["const"]: b for b in schema["$defs"]["GeneratorTable"]["allOf"]}
    assert branches["pal.toy-walker"]["then"]["properties"]["options"] == {"$ref": "#/$defs/pal.toy-walker"}
    assert "temperature" in schema["$defs"]["pal.toy-walker"]["properties"]
    (threshold,) = [b for b in schema["$defs"]["SelectionTable"]["allOf"] if b["then"].get("required")]
    assert threshold["then"]["required"] == ["options"]


def test_every_reference_has_its_definition(schema):
    text = json.dumps(schema)
    for part in text.split('"$ref": "#/$defs/')[1:]:
        assert part.partition('"')[0] in schema["$defs"]


def test_sound_settings_are_accepted(accepts):
    assert accepts(SOUND)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[run]", "[ran]"),
        ("directory", "directry"),
        ("steps = 3", "stps = 3"),
        ("steps = 3", "steps = 0"),
        ('"pal.toy-model"', '"pal.toy-modle"'),
        ('"pal.toy-model"', '"pal.toy-oracle"'),
        (", upper = 1", ""),
        ('options = { field = "gradient", upper = 1 }', ""),
        ("uncertain = 0.1", "uncertain = 1.1"),
        ("uncertain = 0.1", ""),
    ],
)
def test_mistakes_are_refused(accepts, old, new):
    assert old in SOUND
    assert not accepts(SOUND.replace(old, new))


def test_what_init_writes_is_accepted(accepts, pal, tmp_path):
    pal("init", "x.toml")
    assert accepts((tmp_path / "x.toml").read_text())


def test_kernels_without_importable_options_stay_unchecked(pal):
    from types import ModuleType

    from pal_core.builtin import plugin
    from pal_core.hookspecs import hookimpl
    from pal_core.plugins.host import PluginHost
    from pal_core.spec import KernelSpec, Role

    module = ModuleType("odd")
    module.pal_kernels = hookimpl(lambda: [KernelSpec("odd.one", Role.ORACLE, "no_xyz:X", "no_xyz:O")])
    schema = json.loads(pal("schema", host=PluginHost.of({"pal": plugin, "odd": module})).stdout)
    assert "odd.one" in schema["$defs"]["OracleTable"]["properties"]["kernel"]["anyOf"][0]["enum"]
    assert "odd.one" not in schema["$defs"]


def test_schema_goes_to_a_file(pal, tmp_path):
    result = pal("schema", "-o", "pal.schema.json")
    assert result.stdout == ""
    assert '"#:schema pal.schema.json"' in result.stderr
    assert json.loads((tmp_path / "pal.schema.json").read_text())["title"] == "PAL settings"
