"""Who runs where: ranks, roles, walkers, members and GPUs, worked out before anything starts."""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from pal_core.errors import PalError
from pal_core.settings.model import NodeRule, Settings

__all__ = ["SPARE", "Part", "Plan", "PlanError", "Processes", "count_processes", "default_spares", "make_plan"]

ROLES = ("prediction", "generator", "oracle", "training")
SPARE = "spare"
_RULE_KEY = {"prediction": "model", "generator": "generator", "oracle": "oracle", "training": "training"}


class PlanError(PalError):
    """The ranks asked for can't be placed."""

    exit_code = 2


@dataclass(frozen=True)
class Part:
    """A host on a rank: `indices` are its walkers, members or workers."""

    address: str
    role: str
    rank: int
    indices: tuple[int, ...] = ()
    gpu: int | None = None


@dataclass(frozen=True)
class Processes:
    """Ranks per role; 0 shares rank 0 with the controller, None means that the run has no such role."""

    controllers: int
    prediction: int
    generator: int
    oracle: int | None
    training: int | None
    spares: int = 0

    @property
    def size(self) -> int:
        """Ranks in all."""
        return self.controllers + sum(self.of(r) for r in ROLES) + self.spares

    def of(self, role: str) -> int:
        """Ranks of a role, 0 if it shares or is not there."""
        return int(getattr(self, role) or 0)


@dataclass(frozen=True)
class Plan:
    """Parts of all ranks.

    Parameters
    ----------
    parts : tuple of Part
    nodes : tuple of str
        Node of every rank; empty strings before the run has started.
    """

    parts: tuple[Part, ...]
    nodes: tuple[str, ...]

    @property
    def size(self) -> int:
        """Number of ranks."""
        return len(self.nodes)

    @property
    def ranks(self) -> dict[str, int]:
        """Rank of every address."""
        return {p.address: p.rank for p in self.parts}

    def on(self, rank: int) -> tuple[Part, ...]:
        """Parts of a rank."""
        return tuple(p for p in self.parts if p.rank == rank)

    def role(self, role: str) -> tuple[Part, ...]:
        """Parts of a role, in order."""
        return tuple(p for p in self.parts if p.role == role)

    def addresses(self, role: str) -> tuple[str, ...]:
        """Addresses of a role's hosts."""
        return tuple(p.address for p in self.role(role))

    def hosts_of_member(self, member: int) -> tuple[str, ...]:
        """Prediction hosts that hold a member."""
        return tuple(p.address for p in self.role("prediction") if member in p.indices)


def default_spares(settings: Settings, survives: bool) -> int:
    """Spare ranks of a run: as many as the settings say, else one if that can help.

    It can where the MPI survives a death and the run need not repeat itself exactly.
    """
    if settings.run.spares is not None:
        return settings.run.spares if survives else 0
    return int(survives and settings.run.schedule == "parallel")


def count_processes(settings: Settings, cores: int, size: int | None = None, survives: bool = False) -> Processes:
    """Settle the ranks of every role.

    Parameters
    ----------
    settings : Settings
    cores : int
        Cores of the machine, for roles whose `processes` is left out: one rank for the walkers, an eighth of the cores
        for prediction, a quarter each for training and oracles, always at least one.
    size : int, optional
        Ranks that an allocation gives. Ranks left over go to the oracles, if their number is left out.
    survives : bool
        Whether this MPI survives the death of a rank, so that spare ranks can take lost ones over.

    Raises
    ------
    PlanError
        If `size` is given and doesn't fit.
    """
    members = settings.model.members
    oracle, training = settings.oracle, settings.training
    found = Processes(
        controllers=settings.run.controllers,
        prediction=_given(settings.model.processes, min(members, max(1, cores // 8))),
        generator=_given(settings.generator.processes, 1),
        oracle=None if oracle is None else _given(oracle.processes, max(1, cores // 4)),
        training=None if training is None else _given(training.processes, min(members, max(1, cores // 4))),
    )
    if found.size > found.controllers:
        found = replace(found, spares=default_spares(settings, survives))
    if size is None or size == found.size:
        return found
    spare = size - found.size
    if oracle is not None and oracle.processes is None and (found.oracle or 0) + spare >= 1:
        return replace(found, oracle=(found.oracle or 0) + spare)
    counts = ", ".join([*(f"{r} {found.of(r)}" for r in ROLES), *([f"spares {found.spares}"] if found.spares else [])])
    raise PlanError(
        f"the settings ask for {found.size} ranks (controller {found.controllers}, {counts}), {size} were started",
        f"start {found.size} ranks, or change `processes` in the settings; without oracle.processes the oracles take "
        "what is left over",
    )


def _given(asked: int | None, otherwise: int) -> int:
    return otherwise if asked is None else asked


def make_plan(settings: Settings, processes: Processes, nodes: Sequence[str] | None = None) -> Plan:
    """Deal roles, walkers and members out to ranks.

    Rank 0 holds the manager; the exchange is there too or on rank 1. Then follow prediction, generators, oracles and
    training, in this order on every node, as `[[placement]]` allows, and last the spares.

    Parameters
    ----------
    settings : Settings
    processes : Processes
    nodes : sequence of str, optional
        Node of each rank; unknown before the start.

    Raises
    ------
    PlanError
        If the placement rules leave a rank without a role, or a role without its ranks.
    """
    nodes = tuple(nodes) if nodes is not None else ("",) * processes.size
    if len(nodes) != processes.size:
        raise PlanError(f"{processes.size} ranks are needed, {len(nodes)} were started")
    roles = _place(settings.placement, processes, nodes)
    parts = [Part("manager", "manager", 0), Part("exchange", "exchange", processes.controllers - 1)]
    things = {"prediction": settings.model.members, "generator": settings.generator.walkers}
    things |= {"training": settings.model.members}
    gpus = {"prediction": settings.model.gpus, "training": settings.training.gpus if settings.training else ()}
    for role in ROLES:
        if getattr(processes, role) is None:
            continue
        ranks = [r for r, found in enumerate(roles) if found == role] or [0]
        shares = _deal(things.get(role, len(ranks)), len(ranks))
        devices = _deal_gpus([nodes[r] for r in ranks], gpus.get(role, ()))
        parts += [
            Part(f"{role}/{i}", role, rank, share, gpu)
            for i, (rank, share, gpu) in enumerate(zip(ranks, shares, devices, strict=True))
        ]
    idle = [r for r, found in enumerate(roles) if found == SPARE]
    parts += [Part(f"{SPARE}/{i}", SPARE, rank) for i, rank in enumerate(idle)]
    return Plan(tuple(parts), nodes)


def _deal(things: int, ranks: int) -> list[tuple[int, ...]]:
    """Consecutive shares that differ by one at most."""
    edges = [things * i // ranks for i in range(ranks + 1)]
    return [tuple(range(a, b)) for a, b in pairwise(edges)]


def _deal_gpus(nodes: list[str], gpus: Sequence[int]) -> list[int | None]:
    """GPUs in turn, counted anew on every node."""
    seen: dict[str, int] = {}
    out: list[int | None] = []
    for node in nodes:
        k = seen.get(node, 0)
        seen[node] = k + 1
        out.append(gpus[k % len(gpus)] if gpus else None)
    return out


def _place(rules: Sequence[NodeRule], processes: Processes, nodes: Sequence[str]) -> list[str]:
    """Role of every rank: first the numbers that rules state, then what is left, wherever a rule doesn't forbid it."""
    roles = ["controller"] * processes.controllers + [""] * (len(nodes) - processes.controllers)
    left = {r: processes.of(r) for r in ROLES} | {SPARE: processes.spares}
    if not rules or not any(nodes):
        return roles[: processes.controllers] + [r for r, n in left.items() for _ in range(n)]
    quotas = {node: _quota(rules, node) for node in dict.fromkeys(nodes)}
    free = {node: [k for k, n in enumerate(nodes) if n == node and not roles[k]] for node in quotas}
    for node, quota in quotas.items():
        for role in ROLES:
            for _ in range(quota[role] or 0):
                if not free[node] or not left[role]:
                    raise _unplaced(node, left, nodes)
                roles[free[node].pop(0)] = role
                left[role] -= 1
    for node, ranks in free.items():
        for rank in ranks:
            role = next((r for r, n in left.items() if n and quotas[node].get(r) is None), "")
            if not role:
                raise _unplaced(node, left, nodes)
            roles[rank] = role
            left[role] -= 1
    return roles


def _quota(rules: Sequence[NodeRule], node: str) -> dict[str, int | None]:
    rule = next((r for r in rules if fnmatch.fnmatchcase(node, r.match)), NodeRule())
    return {role: getattr(rule, key) for role, key in _RULE_KEY.items()}


def _unplaced(node: str, left: dict[str, int], nodes: Sequence[str]) -> PlanError:
    wanting = ", ".join(f"{n} of {_RULE_KEY.get(r, r)}" for r, n in left.items() if n) or "none"
    counts = ", ".join(f"{n} {list(nodes).count(n)}" for n in dict.fromkeys(nodes))
    return PlanError(
        f"[[placement]] doesn't fit node {node}: its rule and its ranks don't agree; still to be placed: {wanting}",
        f"ranks per node: {counts}; change the rule that matches {node}, `processes`, or the ranks started there",
    )
