"""Options of kernels: paths, kinds of values, and what pydantic's errors become."""

from __future__ import annotations

from pathlib import Path

import fake_kernels
import pytest

from pal_core.settings.kernels import validate
from pal_core.settings.load import from_dict
from pal_core.settings.paths import resolve_paths

HOME = Path.home()


@pytest.mark.parametrize(
    ("written", "resolved"),
    [
        ({"structure": "a.xyz"}, {"structure": "/base/a.xyz"}),
        ({"structure": "/abs/a.xyz"}, {"structure": "/abs/a.xyz"}),
        ({"structure": "~/a.xyz"}, {"structure": f"{HOME}/a.xyz"}),
        ({"structure": 3, "unknown": "a.xyz"}, {"structure": 3, "unknown": "a.xyz"}),
        ({"extra": "none"}, {"extra": "none"}),
        ({"extra": "some"}, {"extra": "/base/some"}),
        ({"anything": "some"}, {"anything": "some"}),
        ({"basis": {"file": "b", "size": 2}}, {"basis": {"file": "/base/b", "size": 2}}),
        ({"files": ["a", "/b"]}, {"files": ["/base/a", "/b"]}),
        ({"named": {"k": "a"}}, {"named": {"k": "/base/a"}}),
    ],
)
def test_relative_paths_start_from_the_settings_folder(written, resolved):
    assert resolve_paths(fake_kernels.WalkerOptions, written, Path("/base")) == resolved


def test_missing_file_option_is_reported_as_written(problems, toy):
    toy["generator"] = {"kernel": "fake.walker", "options": {"structure": "a.xyz", "temperature": -3}}
    assert problems(toy)[:2] == [
        "generator.options.structure: found 'a.xyz', expected an existing file",
        "generator.options.temperature: found -3, expected more than 0 [K]",
    ]


def test_missing_option_says_what_it_is(problems, toy):
    toy["generator"] = {"kernel": "fake.walker"}
    assert problems(toy) == ["generator.options.structure: found nothing, expected a value; start structure"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": "300"}, "temperature: found '300', expected a number [K]"),
        ({"temperature": True}, "temperature: found true, expected a number [K]"),
        ({"basis": 3}, "basis: found 3, expected a table"),
        ({"basis": {"size": 1.5}}, "basis.size: found 1.5, expected an integer"),
        ({"files": "a"}, "files: found 'a', expected an array"),
        ({"files": [1]}, "files[0]: found 1, expected a string"),
        ({"extra": 3}, "extra: found 3, expected a string or 'none'"),
        ({"charges": {"one": 1.0}}, "charges.one: found 'one', expected an integer as key"),
    ],
)
def test_wrong_values_are_explained(problems, toy, tmp_path, options, message):
    (tmp_path / "a.xyz").touch()
    toy["generator"] = {"kernel": "fake.walker", "options": {"structure": "a.xyz", **options}}
    found = [p for p in problems(toy) if p.startswith("generator.options")]
    assert found == [f"generator.options.{message}"]


def test_numbers_as_keys_are_read(tmp_path):
    (tmp_path / "a.xyz").touch()
    data = {"structure": str(tmp_path / "a.xyz"), "charges": {"8": 1}, "files": ["a"]}
    options = validate(fake_kernels.WalkerOptions, data)
    assert options.charges == {8: 1.0}
    assert options.files == (Path("a"),)


def test_validator_of_a_kernel_speaks_for_itself(problems, toy):
    toy["selection"]["options"] = {"field": "energy", "upper": 2.0, "giveup": 1.0}
    assert problems(toy) == [
        "selection.options: giveup = 1 leaves nothing to label: it must be above upper = 2",
    ]


def test_interface_that_raises_is_a_problem_of_its_kernel(problems, toy):
    toy["oracle"] = {"kernel": "fake.broken"}
    assert problems(toy)[0].startswith(
        "oracle.kernel: interface() of the options of 'fake.broken' raised RuntimeError: no interface today"
    )


def test_options_are_absolute_and_settings_as_written(host, toy, tmp_path):
    (tmp_path / "mine.py").write_text(
        "from pathlib import Path\n"
        "from pal_core.builtin.options import ToyOracleOptions\n"
        "from pal_core.kernels import Oracle\n"
        "class Mine(Oracle):\n"
        "    class Options(ToyOracleOptions):\n"
        "        table: Path = Path('t')\n"
        "    def label(self, sample):\n"
        "        return {}\n"
    )
    toy["oracle"] = {"kernel": "mine.py:Mine", "options": {"table": "data/t"}}
    loaded = from_dict(toy, tmp_path, host)
    assert loaded.oracle is not None
    assert loaded.oracle.options.table == tmp_path / "data/t"
    assert loaded.settings.oracle.options == {"table": "data/t"}
