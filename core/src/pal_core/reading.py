"""Small files and texts that may not be what they should: a run directory may come from anywhere."""

from __future__ import annotations

import errno
import json
import os
import re
import stat
import sys
from pathlib import Path
from typing import Any

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["SMALL", "parse_json", "parse_toml", "plain", "read_plain", "refuse_other_than_file"]

SMALL = 1 << 24
"""Bytes that a status or a record may have; those of PAL have some thousand."""
_NUL = re.compile(r"(?<!\\)(\\\\)*\\u0000")
_KEPT = "\n\t"
_TURNING = frozenset(map(chr, [0x200E, 0x200F, *range(0x2028, 0x202F), *range(0x2066, 0x206A), 0xFEFF]))
"""Characters that turn the direction of what follows, or break lines unseen."""


def read_plain(path: Path, limit: int = SMALL) -> bytes:
    """A file's bytes. A pipe or a device in its place is refused instead of waited for.

    Raises
    ------
    OSError
        If there is no such file, it is none, or it has more than `limit` bytes.
    """
    file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with os.fdopen(file, "rb") as opened:
        status = os.fstat(file)
        if not stat.S_ISREG(status.st_mode):
            raise OSError(errno.EINVAL, "is no file", str(path))
        if status.st_size > limit:
            raise OSError(errno.EFBIG, f"has {status.st_size} bytes, more than {limit}", str(path))
        return opened.read(limit)


def refuse_other_than_file(path: Path) -> None:
    """Raise OSError where a pipe or a device stands in a file's place: to open it could last for ever."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "is no file", str(path))


def parse_json(text: str | bytes) -> Any:
    """`json.loads` that has one kind of error, also for a million brackets.

    Raises
    ------
    ValueError
        If the text is no JSON.
    """
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("JSON nested too deeply") from None


def parse_toml(text: str) -> dict[str, Any]:
    """`tomllib.loads` that has one kind of error, and takes no text that no file can be named by.

    Raises
    ------
    ValueError
        If the text is no TOML, is nested too deeply, or holds a number of thousands of digits or the character NUL.
    """
    try:
        data = tomllib.loads(text)
        nul = _NUL.search(json.dumps(data, default=str)) is not None
    except RecursionError:
        raise ValueError("nested too deeply") from None
    if nul:
        raise ValueError("a text holds the character NUL")
    return data


def plain(text: str) -> str:
    r"""Text that can do nothing to a terminal: control characters but line ends and tabs are written out, as in JSON.

    Messages of kernels, names of files and output of programs are printed; ``\x1b]0;`` and its like are commands.

    Examples
    --------
    >>> plain("red \x1b[31m")
    'red \\u001b[31m'
    """
    if text.isprintable():
        return text
    return "".join(_written_out(c) for c in text)


def _written_out(character: str) -> str:
    number = ord(character)
    control = number < 0x20 or 0x7F <= number < 0xA0
    if (control and character not in _KEPT) or character in _TURNING or 0xD800 <= number < 0xE000:
        return f"\\u{number:04x}"
    return character
