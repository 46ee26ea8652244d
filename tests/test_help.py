"""`--help` of every command."""

from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from pal_core.builtin import plugin
from pal_core.cli.main import COMMANDS, cli
from pal_core.plugins.host import PluginHost
from pal_core.spec import load_target

HOST = PluginHost.of({"pal": plugin})


def help_of(*arguments: str) -> str:
    result = CliRunner().invoke(cli, [*arguments, "--help"], obj=HOST)
    assert result.exit_code == 0, result.output
    return result.output


def test_list_of_commands_has_a_line_for_each():
    lines = [line.split(maxsplit=1) for line in help_of().partition("Commands:")[2].splitlines() if line.strip()]
    assert lines == [[name, text] for name, (_, text) in COMMANDS.items()]


def test_help_has_no_control_character():
    text = help_of()
    assert "\\b" not in text
    assert all(c.isprintable() or c == "\n" for c in text)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_a_command_shows_its_options_and_what_they_mean(name):
    text = help_of(name)
    command: click.Command = load_target(COMMANDS[name][0])
    assert text.startswith(f"Usage: cli {name} ")
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, f"{option.name} has no help"
            assert option.help.endswith("."), f"the help of {option.name} is no sentence"
            assert option.opts[0] in text
