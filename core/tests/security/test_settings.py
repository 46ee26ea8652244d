"""Settings files: their code is the user's own, but a file that is none is one clear error."""

from __future__ import annotations

import pytest
from click.testing import CliRunner

from pal_core.builtin import plugin
from pal_core.cli.main import cli
from pal_core.plugins.host import PluginHost

pytestmark = pytest.mark.timeout(30)


@pytest.fixture
def check(tmp_path, monkeypatch):
    """`pal check` on a file with this content."""
    monkeypatch.chdir(tmp_path)

    def call(content: bytes, command: str = "check"):
        (tmp_path / "s.toml").write_bytes(content)
        return CliRunner().invoke(cli, [command, "s.toml"], obj=PluginHost.of({"pal": plugin}))

    return call


BOMBS = {
    "nested arrays": (b"x = " + b"[" * 100_000, "nested too deeply"),
    "nested tables": (b"x = " + b"{a=" * 50_000, "nested too deeply"),
    "endless number": (b"x = " + b"9" * 100_000, "Exceeds the limit"),
    "NUL in a path": (b'[run]\ndirectory = "a\\u0000b"', "NUL"),
}


@pytest.mark.parametrize(("content", "what"), BOMBS.values(), ids=BOMBS)
def test_bomb_is_one_clear_error_for_every_command(check, content, what):
    result = check(content)
    assert result.exit_code == 2
    assert what in result.output
    result = check(content, "status")
    assert result.exit_code == 1
    assert "s.toml is no settings file" in result.stderr


def test_pickle_is_not_read_as_settings(check, pickled):
    result = check(pickled)
    assert result.exit_code == 2
    assert "not utf-8 text" in result.output


@pytest.mark.parametrize("name", ["os:system", "subprocess:run", "../../etc/passwd:X", "/proc/self/mem:X", "x.py"])
def test_kernel_that_is_none_is_refused(check, name):
    result = check(f'[generator]\nkernel = "{name}"\n'.encode())
    assert result.exit_code == 2
    assert "generator.kernel" in result.output


def test_escape_sequences_in_a_file_do_not_reach_the_terminal(check):
    result = check(b'[generator]\nkernel = "\\u001b]0;owned\\u0007\\u009b2J"\n"\\u001b[31mkey" = 1\n')
    assert result.exit_code == 2
    assert not {"\x1b", "\x07", "\x9b"} & set(result.output)
    assert "\\u001b" in result.output
