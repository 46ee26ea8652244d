"""What README says."""

from __future__ import annotations

import re
from pathlib import Path

from pal_mace.options import MaceOptions

README = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")


def test_example_gives_what_it_says():
    (code,) = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
    names: dict = {}
    exec(code, names)  # noqa: S102 - our own README
    share = float(re.search(r"# better than (\d+) %", code)[1]) / 100
    assert names["error"] < share * names["size"]


def test_table_has_every_option_with_unit_and_default():
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|", README, re.MULTILINE)
    fields = MaceOptions.model_json_schema()["properties"]
    assert [name for name, _, _ in rows] == list(fields)
    for name, unit, default in rows:
        assert unit == fields[name].get("unit", ""), name
        assert default.strip('`"') == _written(fields[name].get("default")), name


def _written(value) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    return "none" if value is None else str(value).lower() if isinstance(value, bool) else str(value)
