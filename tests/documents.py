"""Reads documents as instructions: files to write, commands to type, output to expect."""

from __future__ import annotations

import doctest
import os
import re
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(
    r"(?:File `(?P<file>[^`\n]+)`:\n\n)?```(?P<language>[\w-]*)\n(?P<text>.*?)^```", re.DOTALL | re.MULTILINE
)
_CHECK = doctest.OutputChecker()
_FLAGS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
_LIMIT = 240.0


@dataclass(frozen=True)
class Block:
    """A fenced block; `file` is the path in a line "File `path`:" before it."""

    language: str
    text: str
    file: str | None = None


def blocks(text: str) -> list[Block]:
    """All fenced blocks of a document, in order."""
    return [Block(m["language"], m["text"], m["file"]) for m in _FENCE.finditer(text)]


def follow(instructions: list[Block], folder: Path, environment: dict[str, str]) -> str:
    """Do what a reader would do, from `folder` on; returns all output.

    ``sh`` blocks are typed, blocks with a file name are written, and a ``text`` block must fit the output of the
    commands before it ("..." stands for anything).
    """
    output, everything = "", []
    for block in instructions:
        if block.file is not None:
            (folder / block.file).write_text(block.text, encoding="utf-8")
        elif block.language == "sh":
            output, folder = _type(block.text, folder, environment)
            everything.append(output)
        elif block.language == "text":
            assert _CHECK.check_output(block.text, output, _FLAGS), f"expected:\n{block.text}\nfound:\n{output}"
    return "".join(everything)


def _type(commands: str, folder: Path, environment: dict[str, str]) -> tuple[str, Path]:
    """Run commands in a shell that stops at the first failure; output, and where the shell ended."""
    where = folder / ".where"
    script = f"set -e\n{commands}\npwd > {where}\n"
    with subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as shell:
        try:
            output, _ = shell.communicate(timeout=_LIMIT)
        except subprocess.TimeoutExpired:
            os.killpg(shell.pid, signal.SIGKILL)
            raise
    assert shell.returncode == 0, f"exit code {shell.returncode} of:\n{commands}\n{output}"
    end = Path(where.read_text().strip())
    where.unlink()
    return output, end
