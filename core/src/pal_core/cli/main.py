"""The group `pal`: commands are imported when they are used, errors become one message."""

from __future__ import annotations

from typing import Any

import click

from pal_core import __version__
from pal_core.cli.saying import say
from pal_core.errors import PalError, SettingsError

__all__ = ["COMMANDS", "cli", "main"]

COMMANDS: dict[str, tuple[str, str]] = {
    "init": ("pal_core.cli.init:init", "Write a commented settings file."),
    "check": ("pal_core.cli.check:check", "List every problem of a settings file."),
    "plan": ("pal_core.cli.plan:plan", "Show which kernel runs on which rank."),
    "run": ("pal_core.cli.run:run", "Start a run, or go on with it."),
    "status": ("pal_core.cli.status:status", "Show how a run is doing."),
    "stop": ("pal_core.cli.stop:stop", "Ask a run to end."),
    "journal": ("pal_core.cli.journal:journal", "Show what happened in a run."),
    "doctor": ("pal_core.cli.doctor:doctor", "Look for damage in a run directory, and repair it."),
    "labels": ("pal_core.cli.labels:labels", "Look at labels that were set aside, and decide about them."),
    "export": ("pal_core.cli.export:export", "Write a run's labelled samples to a file."),
    "evaluate": ("pal_core.cli.evaluate:evaluate", "Measure a run's models on labelled samples."),
    "plugins": ("pal_core.cli.plugins:plugins", "List the installed plugins."),
    "kernels": ("pal_core.cli.kernels:kernels", "List kernels, or describe one."),
    "schema": ("pal_core.cli.schema:schema", "Write the JSON schema of settings files, for editors."),
    "new-plugin": ("pal_core.cli.new_plugin:new_plugin", "Write a package for kernels of your own."),
}
"""Name, import path and one line of help. The help stands here so that `pal --help` imports no command."""


def _show(error: PalError) -> None:
    """One message on stderr; problems of settings already are one line each."""
    if isinstance(error, SettingsError):
        count = len(error.problems)
        say(f"{error.message}\n{count} problem{'s' if count > 1 else ''} in {error.source}", err=True)
    else:
        say(f"error: {error.message}", err=True)
        if error.hint:
            say(f"  {error.hint}", err=True)


class _Pal(click.Group):
    """Built-in commands by import path, and those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return [*COMMANDS, *self._plugin_commands(ctx)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return self._plugin_commands(ctx).get(cmd_name)
        from pal_core.spec import load_target

        command: click.Command = load_target(COMMANDS[cmd_name][0])
        return command

    def _plugin_commands(self, ctx: click.Context) -> dict[str, click.Command]:
        from pal_core.cli.common import host_of

        commands, warnings = host_of(ctx).commands(taken=COMMANDS)
        for warning in warnings:
            say(f"warning: {warning}", err=True)
        return commands

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, text) for name, (_, text) in COMMANDS.items()])
        others = self._plugin_commands(ctx)
        if others:
            with formatter.section("Commands of plugins"):
                formatter.write_dl([(n, c.get_short_help_str(80)) for n, c in others.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as e:
            if not args or args[0].startswith("-"):
                raise
            raise click.UsageError(self._unknown(ctx, args[0]), ctx) from e

    def _unknown(self, ctx: click.Context, name: str) -> str:
        """What to say of a command that isn't there: near matches, the package to install, or who is broken."""
        from pal_core.cli.common import host_of
        from pal_core.plugins.known import COMMAND_PACKAGES
        from pal_core.plugins.words import did_you_mean

        broken = [f"plugin {p.name} of {p.package} is broken: {p.error}" for p in host_of(ctx).plugins if p.error]
        if name in COMMAND_PACKAGES:
            return "; ".join([f"no command {name!r}: pip install {COMMAND_PACKAGES[name]}", *broken])
        near = did_you_mean(name, [*COMMANDS, *self._plugin_commands(ctx)], "commands")
        return "; ".join([f"no command {name!r}; {near}", *broken])

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PalError as e:
            if ctx.params.get("traceback"):
                raise
            _show(e)
            ctx.exit(e.exit_code)


@click.group(cls=_Pal, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 120})
@click.version_option(__version__, prog_name="pal")
@click.option("--traceback", is_flag=True, help="Show where in the code an error came from.")
def cli(traceback: bool) -> None:
    """Parallel active learning with kernels from plugins.

    Exit codes: 0 done, 1 failed, 2 wrong settings or arguments,
    75 stopped before its stop rule (run again to resume).
    """


def main() -> None:
    """Entry point of the command `pal`."""
    cli(prog_name="pal")


if __name__ == "__main__":
    main()
