"""Data groups of a control file: what begins with a ``$`` up to the next one. Light."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

__all__ = ["DataGroups", "Group", "occupied"]


@dataclass(frozen=True)
class Group:
    """One data group.

    Parameters
    ----------
    title : str
        Its first line without the ``$``: name and what follows, such as ``closed shells`` or ``coord    file=coord``.
    body : tuple of str
        Its other lines.
    """

    title: str
    body: tuple[str, ...] = ()

    def named(self, name: str) -> bool:
        """Whether it is the group `name`, which may consist of several words."""
        return self.title == name or (self.title.startswith(name) and self.title[len(name)] in " =\t")

    def __str__(self) -> str:
        return "\n".join([f"${self.title}", *self.body])


class DataGroups:
    """The groups of a control file, in its order.

    Parameters
    ----------
    groups : iterable of Group
    """

    def __init__(self, groups: Iterable[Group] = ()) -> None:
        self._groups = list(groups)

    @classmethod
    def read(cls, text: str) -> DataGroups:
        """Groups of a file; comments and what stands behind ``$end`` are left out."""
        groups: list[tuple[str, list[str]]] = []
        for line in text.splitlines():
            if line.startswith("#") or not line.strip():
                continue
            if line.startswith("$end"):
                break
            if line.startswith("$"):
                groups.append((line[1:].rstrip(), []))
            elif groups:
                groups[-1][1].append(line.rstrip())
        return cls(Group(title, tuple(body)) for title, body in groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)

    def __contains__(self, name: str) -> bool:
        return self.get(name) is not None

    def get(self, name: str) -> Group | None:
        """The first group of that name."""
        return next((g for g in self._groups if g.named(name)), None)

    def only(self, names: Iterable[str]) -> DataGroups:
        """The groups of these names."""
        wanted = tuple(names)
        return DataGroups(g for g in self._groups if any(g.named(n) for n in wanted))

    def without(self, name: str) -> DataGroups:
        """All groups but those of that name."""
        return DataGroups(g for g in self._groups if not g.named(name))

    def plus(self, others: Iterable[Group]) -> DataGroups:
        """These groups, and `others` behind them."""
        return DataGroups([*self._groups, *others])

    def __str__(self) -> str:
        return "\n".join([*map(str, self._groups), "$end", ""])

    def atoms(self) -> list[Mapping[str, str]]:
        """Attributes of each atom in ``$atoms``, by keyword: ``{"element": "bi", "basis": "bi dhf-TZVP"}``."""
        group = self.get("atoms")
        out: dict[int, Mapping[str, str]] = {}
        for parts in _joined(group.body if group else ()):
            # A long list of atoms is broken over lines, too.
            element, _, indices = " ".join(p for p in parts if "=" not in p).strip().partition(" ")
            pairs = (p.partition("=") for p in parts if "=" in p)
            attributes = {key.strip(): " ".join(value.split()) for key, _, value in pairs} | {"element": element.lower()}
            for i in occupied("".join(indices.split())):
                out[i] = attributes
        return [out.get(i, {}) for i in range(1, max(out, default=0) + 1)]

    def shells(self, name: str) -> int:
        """How many orbitals a group of occupation numbers such as ``closed shells`` names, over all irreps."""
        group = self.get(name)
        return sum(len(occupied(line.partition("(")[0].split()[1])) for line in group.body) if group else 0


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


def occupied(text: str) -> list[int]:
    """Numbers in a list such as ``1-5,9``."""
    out: list[int] = []
    for part in text.split(","):
        first, _, last = part.strip().partition("-")
        out += range(int(first), int(last or first) + 1)
    return out
