"""All label checks of this package in one."""

from __future__ import annotations

from pal_core.kernels import Context, Expected, Label, LabelCheck, Sample, State

from pal_ase.balance import Balanced
from pal_ase.check_options import TrustworthyOptions
from pal_ase.checks import Finite, Plausible
from pal_ase.consistency import Consistent
from pal_ase.records import Fresh, Level

__all__ = ["Trustworthy"]

_KINDS: dict[str, type[LabelCheck]] = {
    "finite": Finite,
    "plausible": Plausible,
    "balanced": Balanced,
    "fresh": Fresh,
    "level": Level,
    "consistent": Consistent,
}


class Trustworthy(LabelCheck):
    """`ase.finite`, `ase.plausible`, `ase.balanced`, `ase.fresh`, `ase.level` and `ase.consistent`, in this order."""

    Options = TrustworthyOptions

    def __init__(self, options: TrustworthyOptions, context: Context) -> None:
        super().__init__(options, context)
        kinds = {name: kind for name, kind in _KINDS.items() if name not in options.without}
        self._checks = {name: kind(getattr(options, name), context) for name, kind in kinds.items()}

    def check(self, sample: Sample, label: Label, expected: Expected | None) -> str | None:
        """What the first that objects says, with its name."""
        for name, check in self._checks.items():
            reason = check.check(sample, label, expected)
            if reason is not None:
                return f"{name}: {reason}"
        return None

    def remember(self, sample: Sample, label: Label) -> None:
        """Tell all of them."""
        for check in self._checks.values():
            check.remember(sample, label)

    def snapshot(self) -> State:
        """What they remember, under ``<check>.<name>``."""
        return {f"{n}.{key}": value for n, check in self._checks.items() for key, value in check.snapshot().items()}

    def restore(self, state: State) -> None:
        """Give each what it remembered; one that was left out until now begins afresh."""
        for name, check in self._checks.items():
            own = {k.removeprefix(f"{name}."): v for k, v in state.items() if k.startswith(f"{name}.")}
            if own:
                check.restore(own)
