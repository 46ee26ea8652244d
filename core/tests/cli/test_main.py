"""The group: lazy commands, commands of plugins, errors and exit codes."""

from __future__ import annotations

from types import ModuleType

import click
import pytest

import pal_core
from pal_core.builtin import plugin
from pal_core.cli.main import COMMANDS
from pal_core.errors import KernelNotFound, PalError, Problem, SettingsError
from pal_core.hookspecs import hookimpl
from pal_core.plugins.host import PluginHost
from pal_core.spec import load_target


def host_with(*commands: click.Command) -> PluginHost:
    module = ModuleType("extra")
    module.pal_commands = hookimpl(lambda: commands)
    return PluginHost.of({"pal": plugin, "extra": module})


def failing(error: Exception) -> PluginHost:
    @click.command()
    def fail():
        raise error

    return host_with(fail)


@pytest.mark.parametrize("name", ["check", "init", "kernels", "plugins", "schema"])
def test_command_has_the_name_of_its_entry(name):
    command = load_target(COMMANDS[name][0])
    assert isinstance(command, click.Command)
    assert command.name == name


def test_help_of_a_command_agrees_with_the_table():
    for name in ("check", "init", "kernels", "plugins", "schema"):
        assert load_target(COMMANDS[name][0]).get_short_help_str(200).split()[0] == COMMANDS[name][1].split()[0]


def test_version(pal):
    assert pal("--version").stdout == f"pal, version {pal_core.__version__}\n"


def test_commands_of_plugins_are_listed_and_run(pal):
    @click.command()
    def watch():
        """Look at it."""
        click.echo("looking")

    host = host_with(watch)
    assert "watch  Look at it." in pal("--help", host=host).stdout
    assert pal("watch", host=host).stdout == "looking\n"


def test_command_of_a_taken_name_gives_a_warning_and_the_original(pal):
    result = pal("--help", host=host_with(click.Command("run")))
    assert "warning: command 'run' of extra is left out: pal-core has a command of that name" in result.stderr


def test_unknown_command_gets_near_matches(pal):
    result = pal("kernel")
    assert result.exit_code == 2
    assert "no command 'kernel'; did you mean 'kernels'?" in result.stderr


def test_unknown_command_of_a_known_package_is_sent_there(pal):
    assert "no command 'watch': pip install pal-monitor" in pal("watch").stderr


def test_unknown_command_names_broken_plugins(pal):
    result = pal("wotch", host=PluginHost.of({"pal": plugin, "bad": ModuleType("bad")}))
    assert "plugin bad of bad is broken: it has no hooks" in result.stderr


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (PalError("the oracle died", "look at oracle.log"), 1, "error: the oracle died\n  look at oracle.log\n"),
        (KernelNotFound("'a.b'", "an oracle"), 2, "error: found 'a.b', expected an oracle\n"),
        (
            SettingsError([Problem("run.sede", "unknown key", line=3), Problem("stpo", "unknown table")], "x.toml"),
            2,
            "x.toml:3: run.sede: unknown key\nx.toml: stpo: unknown table\n2 problems in x.toml\n",
        ),
    ],
)
def test_errors_are_one_message_on_stderr_with_their_exit_code(pal, error, code, text):
    result = pal("fail", host=failing(error))
    assert (result.exit_code, result.stdout, result.stderr) == (code, "", text)


def test_traceback_is_shown_on_demand(pal):
    result = pal("--traceback", "fail", host=failing(PalError("no")))
    assert isinstance(result.exception, PalError)


def test_exit_codes_are_documented_in_the_help(pal):
    from pal_core.cli import exit_codes

    text = pal("--help").stdout
    codes = {getattr(exit_codes, name) for name in exit_codes.__all__}
    assert codes == {0, 1, 2, 75}
    assert all(f"{code} " in text for code in codes)
