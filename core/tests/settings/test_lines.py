"""The scanner finds the line of every key that the parser finds."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pal_core.settings.lines import line_of, locate

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

TEXT = '''# comment = 1
a = 1
b.c = [1, 2, # ] x
  { d = "]}", e.f = 2 },
]
"q.r".s = """x
[no]
no = 1 \\""" """ # t
[t . u]
v = 1979-05-27 07:32:00
w = 'x#y\\'
[[ar.r]]
k = 1
[ar.r.sub]
z = {}
[[ar.r]]
k = 2
m = """a"b""""
n = \'\'\'
it's "fine"\'\'\'
last = [[1], [2,
3]]'''


def paths(data: Any, prefix=()):
    items = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in items:
        yield (*prefix, key)
        yield from paths(value, (*prefix, key))


@pytest.mark.parametrize("text", [TEXT, TEXT.replace("\n", "\r\n")])
def test_every_parsed_key_has_a_line_and_nothing_else_has(text):
    assert set(locate(text)) == set(paths(tomllib.loads(text)))


@pytest.mark.parametrize(
    ("path", "line"),
    [
        (("a",), 2),
        (("b", "c"), 3),
        (("b", "c", 2, "e", "f"), 4),
        (("q.r", "s"), 6),
        (("t", "u"), 9),
        (("t", "u", "w"), 11),
        (("ar", "r", 0, "k"), 13),
        (("ar", "r", 0, "sub", "z"), 15),
        (("ar", "r", 1), 16),
        (("ar", "r", 1, "n"), 19),
        (("ar", "r", 1, "last", 1, 1), 22),
    ],
)
def test_line_of_a_key(path, line):
    assert line_of(path, locate(TEXT)) == line


def test_missing_key_has_the_line_of_its_table():
    assert line_of(("t", "u", "missing", 3), locate(TEXT)) == 9
    assert line_of(("nowhere",), locate(TEXT)) == 1
    assert line_of(("nowhere",), {}) is None


KEYS = st.text(st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"]), min_size=1, max_size=5)
STRINGS = st.text(st.sampled_from("ab#[]{}=,.'\" \t"), max_size=8)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"').replace("\t", "\\t") + '"'


def inline(value: Any) -> str:
    if isinstance(value, dict):
        return "{" + ", ".join(f"{quoted(k)} = {inline(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ",\n".join(map(inline, value)) + "]"
    return quoted(value) if isinstance(value, str) else str(value)


def one_line(value: Any) -> bool:
    return "\n" not in inline(value)


VALUES = st.recursive(
    STRINGS | st.integers(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=3).filter(one_line),
    max_leaves=6,
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(KEYS, st.dictionaries(KEYS, VALUES, max_size=3), max_size=3))
def test_scanner_agrees_with_the_parser_on_any_document(tables):
    lines = []
    for name, table in tables.items():
        lines += [f"[{quoted(name)}] # [x]"] + [f"{quoted(k)} = {inline(v)} # 'c" for k, v in table.items()]
    text = "\n".join(lines)
    found = locate(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    source = text.split("\n")
    assert all(source[found[(name,)] - 1] == f"[{quoted(name)}] # [x]" for name in tables)
