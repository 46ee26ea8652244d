"""The printed output of programs: which ones ran, and whether they came to their end."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass

from pal_core.kernels import FailureKind

from pal_turbomole.reading.errors import Unreadable

__all__ = ["Section", "finished", "sections", "spans", "tail"]

# " dscf (host) : TURBOMOLE rev. V7.5.0 compiled ..."; builds for shared memory or MPI add a suffix to the name.
_BANNER = re.compile(r"^\s*([a-z]\w*?)(?:_(?:smp|omp|mpi))?\s*\(.*?\)\s*:\s*TURBOMOLE\b(.*)$")
_VERSION = re.compile(r"\bV\s?(\d+(?:[.-]\d+)*)")
# The first kind that is found counts: a job that ran out of time hasn't converged either.
_FAILURES: tuple[tuple[FailureKind, re.Pattern[str]], ...] = (
    ("timeout", re.compile(r"due to time limit", re.IGNORECASE)),
    ("unconverged", re.compile(r"did not converge|cannot be satisfied|not converged|not be updated", re.IGNORECASE)),
    (
        "crashed",
        re.compile(
            r"ended abnormally|fatal error|error termination|program (?:stopped|aborted)|segmentation fault|SIGSEGV"
            r"|forrtl: severe|out of memory|internal module stack",
            re.IGNORECASE,
        ),
    ),
)


@dataclass(frozen=True)
class Section:
    """What one program printed, from its banner to the next program's.

    Parameters
    ----------
    program : str
        ``"dscf"``, ``"ridft"``, ``"grad"``, ``"rdgrad"``, ``"escf"``, ``"egrad"``, ...
    version : str
        As ``"7.5.0"``; empty where the program doesn't print it.
    lines : tuple of str
    """

    program: str
    version: str
    lines: tuple[str, ...]

    def matches(self, pattern: str, start: int = 0, stop: int | None = None) -> Iterator[tuple[int, re.Match[str]]]:
        """Line numbers and matches of a pattern."""
        compiled = re.compile(pattern)
        for number in range(start, len(self.lines) if stop is None else min(stop, len(self.lines))):
            match = compiled.search(self.lines[number])
            if match:
                yield number, match

    def find(self, pattern: str, start: int = 0, stop: int | None = None) -> int | None:
        """Number of the first line that matches."""
        return next((number for number, _ in self.matches(pattern, start, stop)), None)

    def only(self, pattern: str, what: str, start: int = 0, stop: int | None = None) -> tuple[int, re.Match[str]]:
        """The line that matches; there must be exactly one."""
        found = list(self.matches(pattern, start, stop))
        if len(found) != 1:
            shown = [self.lines[number] for number, _ in found] or tail(self.lines)
            message = f"{self.program} should print {what} once, and does so {len(found)} times"
            raise Unreadable("crashed", message, shown)
        return found[0]


def sections(text: str) -> tuple[Section, ...]:
    """One section for each program whose banner is in a text; what stands before the first one is left out."""
    lines = text.splitlines()
    banners = [(number, match) for number, line in enumerate(lines) if (match := _BANNER.match(line))]
    found = []
    for (start, end), (_, match) in zip(spans([number for number, _ in banners], len(lines)), banners, strict=True):
        version = _VERSION.search(match[2])
        found.append(Section(match[1], version[1].replace("-", ".") if version else "", tuple(lines[start:end])))
    return tuple(found)


def finished(text: str, programs: Collection[str]) -> Section:
    """The section of the one program of these in a text, after a check that it ended as it should.

    Raises
    ------
    Unreadable
        If none or several of them ran, if it didn't print "all done", or if it printed that it failed, which programs
        do besides: ``ATTENTION: dscf did not converge!`` stands before an ordinary ``dscf : all done``.
    """
    names = " or ".join(sorted(programs))
    found = [section for section in sections(text) if section.program in programs]
    if not found:
        raise _failure(text.splitlines()) or Unreadable(
            "crashed", f"output of {names} wanted, found no start of it", tail(text.splitlines())
        )
    if len(found) > 1:
        raise Unreadable(
            "crashed",
            f"output of one run of {names} wanted, found {len(found)}",
            [section.lines[0] for section in found],
        )
    section = found[0]
    failure = _failure(section.lines)
    if failure:
        raise failure
    if section.find(rf"^\s*\*{{4}}\s+{section.program}\s*:\s*all done\s+\*{{4}}\s*$") is None:
        raise Unreadable(
            "crashed", f"{section.program} stopped before its end: it doesn't say 'all done'", tail(section.lines)
        )
    return section


def spans(starts: Sequence[int], end: int) -> list[tuple[int, int]]:
    """From each start to the next, and from the last one to the end."""
    return list(zip(starts, [*starts[1:], end], strict=False))


def tail(lines: Sequence[str], count: int = 8) -> list[str]:
    """The last lines that aren't blank."""
    return [line for line in lines if line.strip()][-count:]


def _failure(lines: Sequence[str]) -> Unreadable | None:
    for kind, pattern in _FAILURES:
        shown = [line for line in lines if pattern.search(line)]
        if shown:
            return Unreadable(kind, f"the program says that it failed: {shown[0].strip()!r}", shown)
    return None
