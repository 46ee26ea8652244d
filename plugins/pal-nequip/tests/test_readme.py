"""What README says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pal_nequip.options import AllegroOptions, EquivariantOptions, NequipOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
COMMON = list(EquivariantOptions.model_fields)


def test_example_gives_what_it_says():
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(code, names)  # noqa: S102 - our own README
    share = float(re.search(r"# better than (\d+) %", code)[1]) / 100
    assert names["error"] < share * names["size"]


@pytest.mark.parametrize(
    ("heading", "options"),
    [
        ("Of both kernels:", EquivariantOptions),
        ("Of `nequip.nequip`:", NequipOptions),
        ("Of `nequip.allegro`:", AllegroOptions),
    ],
)
def test_tables_have_every_option_with_unit_default_and_meaning(heading, options):
    table = README.split(heading)[1].lstrip().split("\n\n")[0]
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \| (.*) \|$", table, re.MULTILINE)
    fields = options.model_json_schema()["properties"]
    own = COMMON if options is EquivariantOptions else [name for name in fields if name not in COMMON]
    assert [row[0] for row in rows] == own
    for name, unit, default, meaning in rows:
        assert unit == fields[name].get("unit", ""), name
        value = fields[name].get("default")
        assert default.strip('`"') == ("none" if value is None else str(value).lower()), name
        assert meaning == fields[name]["description"], name
