"""Names in a new package, all from what the user gave."""

from __future__ import annotations

import re
from dataclasses import dataclass

from pal_core import __version__
from pal_core.errors import PalError
from pal_core.spec import Role

__all__ = ["Names", "ScaffoldError"]

_PART = r"[a-z][a-z0-9]*(-[a-z0-9]+)*"
_RESERVED = {"pal-core", "pal-pal"}


class ScaffoldError(PalError):
    """A package can't be written under this name or at this place."""

    exit_code = 2


@dataclass(frozen=True)
class Names:
    """What a package and its kernel are called.

    Parameters
    ----------
    distribution : str
        ``"pal-orca"``: what pip installs.
    role : Role
    kernel : str
        ``"dft"``: the part of the kernel's name after the dot.

    Raises
    ------
    ScaffoldError
        If a name is not lower case, doesn't begin as it should, or is taken by PAL.
    """

    distribution: str
    role: Role
    kernel: str

    def __post_init__(self) -> None:
        if not re.fullmatch(f"pal-{_PART}", self.distribution):
            raise ScaffoldError(
                f"package name {self.distribution!r}: 'pal-' and lower-case words joined by hyphens are wanted",
                f"for example: pal new-plugin {_suggestion(self.distribution)} --role {self.role.value}",
            )
        if self.distribution in _RESERVED:
            raise ScaffoldError(f"package name {self.distribution!r} is PAL's own", "choose another one")
        if not re.fullmatch(_PART, self.kernel):
            raise ScaffoldError(
                f"kernel name {self.kernel!r}: lower-case words joined by hyphens are wanted",
                f"without the plugin's name, for example: --kernel dft makes {self.plugin}.dft",
            )

    @property
    def package(self) -> str:
        """``"pal_orca"``: what Python imports."""
        return self.distribution.replace("-", "_")

    @property
    def plugin(self) -> str:
        """``"orca"``: the entry point, and what kernel names begin with."""
        return self.distribution.removeprefix("pal-")

    @property
    def full_kernel(self) -> str:
        """``"orca.dft"``: what settings files say."""
        return f"{self.plugin}.{self.kernel}"

    @property
    def class_name(self) -> str:
        """``"OrcaDft"``: the kernel's class."""
        return "".join(word.capitalize() for word in f"{self.plugin}-{self.kernel}".split("-"))

    @property
    def core_range(self) -> str:
        """Versions of pal-core with the interfaces of this one."""
        major, minor = (int(n) for n in __version__.split(".")[:2])
        return f">={major}.{minor},<{major}.{minor + 1}"


def _suggestion(name: str) -> str:
    words = re.findall(r"[a-z0-9]+", name.lower())
    words = [w for i, w in enumerate(words) if w != "pal" or i]
    return "-".join(["pal", *words]) if words and words[0][0].isalpha() else "pal-orca"
