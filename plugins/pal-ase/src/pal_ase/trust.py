"""Commands that read pickles do so on the user's word only. Light."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

__all__ = ["require_trust", "trust_option"]


def trust_option(function: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command with an argument SOURCE the option ``--trust``, for `require_trust`."""
    return click.option("--trust", is_flag=True, help="I trust SOURCE: run the code that it may hold.")(function)


def require_trust(source: Path, trust: bool) -> None:
    """Stop unless the user has said that the file may be read.

    Raises
    ------
    click.ClickException
    """
    if not trust:
        raise click.ClickException(
            f"{source} is a pickle: reading it runs whatever code is in it. If you know where it comes from and trust "
            "that, repeat the command with --trust."
        )
