"""Which kernels a new settings file names."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import product
from pathlib import Path

from pal_core.cli.describe import interface_of
from pal_core.errors import PalError, PluginError
from pal_core.options import Interface
from pal_core.plugins.host import PluginHost
from pal_core.spec import KernelSpec, Role

__all__ = ["checks_for", "choose"]

ROLES = (Role.GENERATOR, Role.MODEL, Role.ORACLE)

# Best first, by what needs the least from a newcomer; others follow by name.
_PREFERRED = {
    Role.GENERATOR: ("ase.langevin", "ase.verlet"),
    Role.MODEL: ("schnet.committee", "mace.committee", "nequip.committee"),
    Role.ORACLE: ("xtb.gfn2", "xtb.gfn1"),
}

# One of each, the best first.
_CHECKS = (("ase.trustworthy", "pal.finite"), ("pal.residual",))


def choose(host: PluginHost, wanted: Mapping[str, str | None], base: Path) -> dict[str, KernelSpec]:
    """Kernels of the three main roles that fit each other.

    Parameters
    ----------
    host : PluginHost
    wanted : mapping of str to str or None
        Kernel by role, as far as the user has a wish.
    base : Path
        Folder that kernels in files are relative to.

    Raises
    ------
    KernelNotFound
        If a wish is not installed.
    PluginError
        If there is no kernel for a role at all.
    """
    candidates = []
    for role in ROLES:
        name = wanted.get(role.value)
        found = [host.find_kernel(name, role, base)] if name else _ranked(host, role)
        if not found:
            raise PluginError(f"no {role.value} is installed", "`pal plugins` shows what is")
        candidates.append(found)
    interfaces = {spec.name: _interface(host, spec) for found in candidates for spec in found}
    fitting = (trio for trio in product(*candidates) if _fit(*(interfaces[spec.name] for spec in trio)))
    # Without a fitting three the wishes are written down as they are; the check that follows says what is wrong.
    trio = next(fitting, tuple(found[0] for found in candidates))
    return {spec.role.value: spec for spec in trio}


def checks_for(host: PluginHost, chosen: Mapping[str, KernelSpec]) -> list[KernelSpec]:
    """Label checks for these kernels: the best one that reads their fields, and the one against the committee."""
    generator, oracle = _interface(host, chosen["generator"]), _interface(host, chosen["oracle"])
    found = []
    for names in _CHECKS:
        installed = {spec.name: spec for spec in host.kernels(Role.CHECK)}
        fitting = [installed[n] for n in names if n in installed and _reads(host, installed[n], generator, oracle)]
        found += fitting[:1]
    return found


def _reads(host: PluginHost, check: KernelSpec, generator: Interface | None, oracle: Interface | None) -> bool:
    """Whether a check finds what it reads; one that reads nothing by name always does."""
    wants = _interface(host, check)
    if wants is None:
        return False
    samples, labels = generator.produces if generator else {}, oracle.produces if oracle else {}
    return not [*wants.consumes.unmet_by(samples), *wants.labels.unmet_by(labels)]


def _ranked(host: PluginHost, role: Role) -> list[KernelSpec]:
    order = {name: i for i, name in enumerate(_PREFERRED[role])}
    return sorted(host.kernels(role), key=lambda k: (order.get(k.name, len(order)), k.name.startswith("pal."), k.name))


def _interface(host: PluginHost, spec: KernelSpec) -> Interface | None:
    try:
        return interface_of(host.load_options(spec))
    except PalError:
        return None


def _fit(generator: Interface | None, model: Interface | None, oracle: Interface | None) -> bool:
    """Whether the three fit; one whose fields depend on its options never does."""
    if generator is None or model is None or oracle is None:
        return False
    unmet = [
        *model.consumes.unmet_by(generator.produces),
        *generator.consumes.unmet_by(model.produces),
        *oracle.consumes.unmet_by(generator.produces),
        *model.labels.unmet_by(oracle.produces),
    ]
    return not unmet
