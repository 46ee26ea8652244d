"""Line numbers of the keys in a TOML text.

The standard parser gives values without positions. This scanner walks a text that the parser has already accepted
and notes where every key stands; it judges nothing.
"""

from __future__ import annotations

import sys
from bisect import bisect_right
from collections.abc import Mapping

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["KeyPath", "line_of", "locate"]

KeyPath = tuple[str | int, ...]
"""Keys and array indices from the top of the file, e.g. ``("check", 0, "kernel")``."""


def locate(text: str) -> dict[KeyPath, int]:
    """Line, from 1, of every table, key and array entry in a valid TOML text."""
    return _Scanner(text).run()


def line_of(path: KeyPath, lines: Mapping[KeyPath, int]) -> int | None:
    """Line of `path`, or of the innermost table around it; None without any lines."""
    for n in range(len(path), 0, -1):
        if path[:n] in lines:
            return lines[path[:n]]
    return 1 if lines else None


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.pos = 0
        self.breaks = [i for i, c in enumerate(text) if c == "\n"]
        self.lines: dict[KeyPath, int] = {}
        self.arrays: dict[KeyPath, int] = {}  # arrays of tables: how many entries so far

    def run(self) -> dict[KeyPath, int]:
        table: KeyPath = ()
        self.skip()
        while self.pos < len(self.text):
            if self.text[self.pos] == "[":
                table = self.header()
            else:
                self.pair(table)
            self.skip()
        return self.lines

    def header(self) -> KeyPath:
        line = self.line()
        double = self.text.startswith("[[", self.pos)
        self.pos += 2 if double else 1
        keys = self.keys()
        self.pos = self.text.index("]]" if double else "]", self.pos) + (2 if double else 1)
        path: KeyPath = ()
        for key in keys[:-1]:
            path = self.entered((*path, key), line)
        path = (*path, keys[-1])
        if not double:
            self.lines[path] = line
            return path
        self.arrays[path] = self.arrays.get(path, 0) + 1
        self.lines.setdefault(path, line)
        return self.entered(path, line)

    def entered(self, path: KeyPath, line: int) -> KeyPath:
        """`path`, or the newest entry if it is an array of tables."""
        self.lines.setdefault(path, line)
        if path in self.arrays:
            path = (*path, self.arrays[path] - 1)
            self.lines.setdefault(path, line)
        return path

    def pair(self, table: KeyPath) -> None:
        line = self.line()
        path = table
        for key in self.keys():
            path = (*path, key)
            self.lines.setdefault(path, line)
        self.pos = self.text.index("=", self.pos) + 1
        self.value(path)

    def keys(self) -> list[str]:
        """A dotted key; ends before whatever follows it."""
        found = [self.key()]
        while self.text[self.pos] == ".":
            self.pos += 1
            found.append(self.key())
        return found

    def key(self) -> str:
        self.blanks()
        start = self.pos
        if self.text[start] in "\"'":
            self.string(self.text[start])
            raw = self.text[start : self.pos]
            self.blanks()
            return str(tomllib.loads(f"k = {raw}")["k"])
        while self.text[self.pos].isalnum() or self.text[self.pos] in "-_":
            self.pos += 1
        raw = self.text[start : self.pos]
        self.blanks()
        return raw

    def value(self, path: KeyPath) -> None:
        self.skip()
        char = self.text[self.pos]
        if char in "\"'":
            self.string(char * 3 if self.text.startswith(char * 3, self.pos) else char)
        elif char == "[":
            self.array(path)
        elif char == "{":
            self.inline_table(path)
        else:
            while self.pos < len(self.text) and self.text[self.pos] not in ",]}\n#":
                self.pos += 1

    def array(self, path: KeyPath) -> None:
        self.pos += 1
        index = 0
        while self.inside("]"):
            entry: KeyPath = (*path, index)
            self.lines[entry] = self.line()
            self.value(entry)
            index += 1

    def inline_table(self, path: KeyPath) -> None:
        self.pos += 1
        while self.inside("}"):
            self.pair(path)

    def inside(self, end: str) -> bool:
        """Step over commas and blanks; whether another entry comes before `end`, which is stepped over too."""
        self.skip(",")
        if self.text[self.pos] != end:
            return True
        self.pos += 1
        return False

    def string(self, quote: str) -> None:
        self.pos += len(quote)
        while not self.text.startswith(quote, self.pos):
            self.pos += 2 if quote[0] == '"' and self.text[self.pos] == "\\" else 1
        self.pos += len(quote)
        # Up to two quotes may stand right before the closing three.
        while len(quote) == 3 and self.text.startswith(quote[0], self.pos):
            self.pos += 1

    def skip(self, more: str = "") -> None:
        """Step over blanks, line ends and comments."""
        while self.pos < len(self.text) and (self.text[self.pos] in " \t\r\n" + more or self.text[self.pos] == "#"):
            if self.text[self.pos] == "#":
                end = self.text.find("\n", self.pos)
                self.pos = len(self.text) if end < 0 else end
            else:
                self.pos += 1

    def blanks(self) -> None:
        while self.text[self.pos] in " \t":
            self.pos += 1

    def line(self) -> int:
        return bisect_right(self.breaks, self.pos - 1) + 1
