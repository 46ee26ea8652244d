"""What README says."""

from __future__ import annotations

import re
from pathlib import Path

from pal_schnet.options import SchnetOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_example_gives_what_it_says():
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(code, names)  # noqa: S102 - our own README
    share = float(re.search(r"# better than (\d+) %", code)[1]) / 100
    assert names["error"] < share * names["size"]


def test_table_has_every_option_with_unit_and_default():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", README, re.MULTILINE)
    fields = SchnetOptions.model_json_schema()["properties"]
    assert [name for name, _, _ in rows] == list(fields)
    for name, unit, default in rows:
        assert unit == fields[name].get("unit", ""), name
        value = fields[name].get("default")
        assert default.strip('`"') == ("none" if value is None else str(value).lower()), name
