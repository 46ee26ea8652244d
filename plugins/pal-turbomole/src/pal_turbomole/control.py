"""Control files: their text, and what their groups say of atoms and occupation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from pal_turbomole.reading.files import Group, Groups

__all__ = ["atoms", "control_text", "group", "numbers", "only", "shells", "without"]


def group(title: str, *lines: str) -> Group:
    """A data group of a title, without its ``$``, and the lines below."""
    return Group(title, lines)


def control_text(groups: Iterable[Group]) -> str:
    """A file of data groups."""
    lines = [line for g in groups for line in (f"${g.title}", *g.lines)]
    return "\n".join([*lines, "$end", ""])


def only(groups: Groups, names: Iterable[str]) -> Groups:
    """The groups of these names, in the order of the file."""
    wanted = [g for name in names if (g := groups.find(name)) is not None]
    return Groups(tuple(g for g in groups.all if g in wanted))


def without(groups: Groups, name: str) -> Groups:
    """All groups but that of a name."""
    return Groups(tuple(g for g in groups.all if g != groups.find(name)))


def atoms(groups: Groups) -> list[Mapping[str, str]]:
    """Attributes of each atom in ``$atoms``: ``{"element": "bi", "basis": "bi dhf-TZVP", "ecp": "bi dhf-ecp"}``."""
    out: dict[int, Mapping[str, str]] = {}
    for parts in _joined(groups.need("atoms").lines):
        # A long list of atoms is broken over lines, too.
        element, _, indices = " ".join(p for p in parts if "=" not in p).strip().partition(" ")
        pairs = (p.partition("=") for p in parts if "=" in p)
        attributes = {"element": element.lower()} | {k.strip(): " ".join(v.split()) for k, _, v in pairs}
        for i in numbers("".join(indices.split())):
            out[i] = attributes
    return [out.get(i, {}) for i in range(1, max(out, default=0) + 1)]


def _joined(lines: Iterable[str]) -> list[list[str]]:
    """Lines, each with those that a backslash at its end continues."""
    out: list[list[str]] = []
    open_ = False
    for line in lines:
        text = line.rstrip().removesuffix("\\")
        if open_:
            out[-1].append(text)
        else:
            out.append([text])
        open_ = line.rstrip().endswith("\\")
    return out


def shells(groups: Groups, name: str) -> int:
    """How many orbitals a group of occupation numbers such as ``closed shells`` names, over all irreps."""
    found = groups.find(name)
    return sum(len(numbers(line.partition("(")[0].split()[1])) for line in found.lines) if found else 0


def numbers(text: str) -> list[int]:
    """Numbers in a list such as ``1-5,9``."""
    out: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        out += range(int(first), int(last or first) + 1)
    return out
