"""What the manager begins with: machine and numbers from the settings and the store."""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pal_core.control.manager import Manager, ManagerPlan
from pal_core.control.queue import HIGHEST, Ticket
from pal_core.control.stopping import StopRules
from pal_core.errors import PalError
from pal_core.plugins.host import FILE_DIGEST
from pal_core.policies.holding_out import by_content, by_number
from pal_core.reading import parse_json
from pal_core.runtime.checkpoint import STATE_FOLDERS, rounds_on_disk
from pal_core.runtime.host import Setup
from pal_core.settings.changes import Change, changes
from pal_core.settings.kernels import validate
from pal_core.settings.load import Loaded
from pal_core.settings.model import OracleTable, Settings, StopTable, TrainingTable
from pal_core.store.store import FILE_NAME, Store, StoredSample, StoreError

__all__ = [
    "ChangedSettingsError",
    "begin",
    "changed_files",
    "changed_settings",
    "settle_validation",
    "validation_mask",
]

VALIDATION = "validation"
"""Key of the store's meta for the rule by which samples are held out."""


class ChangedSettingsError(PalError):
    """A run should go on with settings that its stored data don't belong to."""

    exit_code = 2


def begin(setup: Setup, store: Store) -> tuple[Manager, int, bool]:
    """The manager machine, as the store leaves it: empty, or where earlier sessions stopped.

    Returns
    -------
    Manager
    int
        Number for the next new sample.
    bool
        Whether the run repeats itself from its last snapshot set.
    """
    state = dict(store.sets()).get(setup.set, {})
    earlier = [s for s in store.sessions() if s["id"] != store.session]
    repeating = setup.repeats
    store.forget_ahead()
    if repeating:
        store.rewind(state.get("sample", _first_number(store)), state.get("round", 0), state.get("waiting", ()))
        state = {"round": 0, "rounds": 0, "steps": 0, "selected": 0, **state}
    else:
        state = {"steps": store.steps(), "selected": store.selected()}  # the store knows more than a set of the past
        _try_bootstrap_again(store)
    number = state.get("sample", _first_number(store)) if repeating else store.next_sample
    return _machine(setup, store, state, earlier), number, repeating


def _try_bootstrap_again(store: Store) -> None:
    """Without a single label there is nothing to begin with: what failed before gets new attempts."""
    if not store.labelled() and not store.waiting():
        store.requeue([q["sample"] for q in store.quarantined() if not q["has_label"]])


def _first_number(store: Store) -> int:
    """Number of the first sample that isn't initial data."""
    return int(store.meta("initial") or 0) + 1


def _machine(setup: Setup, store: Store, state: Mapping[str, Any], earlier: Sequence[Mapping[str, Any]]) -> Manager:
    members = setup.loaded.settings.model.members
    on_disk = min((max(rounds_on_disk(setup.directory, k), default=0) for k in range(members)), default=0)
    rounds = int(state.get("round", on_disk))
    model = setup.loaded.settings.model
    plan = _machine_plan(setup, model.trained or model.start is not None or rounds > 0)
    counts = store.counts()
    return Manager(
        plan,
        waiting=_tickets(store, plan.retries, state.get("waiting", ())) if plan.oracles else (),
        labelled=sum(n for k, n in counts.items() if k.startswith("labels_") and not k.startswith("labels_initial")),
        buffered=store.unused(rounds),
        rounds=rounds,
        rounds_done=int(state.get("rounds", store.rounds_done(members))),
        steps=int(state["steps"]),
        selected=int(state["selected"]),
        complete=bool(earlier) and earlier[-1]["outcome"] == "done",
        stage=state.get("stage", "exploring"),
        window=[(int(n), int(k)) for n, k in state.get("window", ())],
        last_set=max((n for n, _ in store.sets()), default=0),
        dropped=int(state.get("dropped", 0)),
        failures=int(state.get("failures", 0)),
    )


def _tickets(store: Store, retries: int, order: Sequence[int]) -> list[Ticket]:
    """Samples that wait, in this order, then as they came."""
    places = {number: k for k, number in enumerate(order)}
    found = sorted(store.waiting(), key=lambda s: (places.get(s.id, len(places)), s.id))
    return [
        Ticket(s.id, s.walker, _score(s), min(s.attempts, retries), size=s.size, audit=s.origin == "audit")
        for s in found
    ]


def _score(sample: StoredSample) -> float:
    """Score of a sample in the queue, as in the run before.

    Bootstrap and audit samples, and those that a walker wanted, are never dropped; others whose score wasn't finite are
    so last.
    """
    if sample.origin in ("bootstrap", "audit", "wanted"):
        return math.inf
    return HIGHEST if sample.score is None else sample.score


def _machine_plan(setup: Setup, trained: bool) -> ManagerPlan:
    settings, plan = setup.loaded.settings, setup.plan
    oracle = settings.oracle or OracleTable(kernel="")
    training = settings.training or TrainingTable()
    return ManagerPlan(
        oracles=plan.addresses("oracle"),
        trainers=plan.addresses("training"),
        walker_hosts=plan.addresses("generator"),
        predictors=plan.addresses("prediction"),
        spares=len(plan.addresses("spare")),
        rules=_rules(settings, settings.stop),
        bootstrap=settings.data.bootstrap if settings.oracle else 0,
        trained=trained,
        retrain_after=training.retrain_after,
        retries=oracle.retries,
        give_up_after=oracle.give_up_after,
        queue=oracle.queue,
        per_walker=oracle.per_walker,
        ahead=oracle.ahead,
        rerank=settings.selection.rerank,
        serial=settings.run.schedule == "serial",
        snapshot_every=settings.run.snapshot_every,
        final_time=training.final_time,
        # A worker whose process was replaced begins to count only when the new one is ready.
        label_limit=oracle.timeout + settings.run.startup_limit,
        startup_limit=settings.run.startup_limit,
        stop_limit=settings.run.stop_limit,
        end=None if setup.end is None else setup.end - time.time(),
    )


def _rules(settings: Settings, stop: StopTable) -> StopRules:
    return StopRules(
        labels=stop.labels,
        steps=stop.steps,
        rounds=stop.rounds,
        uncertain=stop.converged.uncertain if stop.converged else None,
        window=stop.converged.window if stop.converged else 1000,
        generators=stop.generators,
        training=stop.training,
        walkers=settings.generator.walkers,
        members=settings.model.members,
    )


def changed_settings(store: Store, settings: Settings, accept: bool) -> list[Change]:
    """What has changed since the last session.

    Raises
    ------
    ChangedSettingsError
        If stored data depend on a changed key, unless `accept`.
    StoreError
        If there are weights and snapshots of which an empty store knows nothing.
    """
    sessions = store.sessions()
    if not sessions:
        _refuse_leftovers(store)
        return []
    found = changes(_earlier(store, sessions[-1]), settings)
    binding = [str(c) for c in found if c.binding]
    if binding and not accept:
        listing = "".join(f"\n  {line}" for line in binding)
        raise ChangedSettingsError(
            f"{store.directory} was made with other settings:{listing}",
            "put them back, use another run.directory, or go on all the same: pal run --accept-changes",
        )
    return found


def changed_files(store: Store, loaded: Loaded, accept: bool) -> list[Change]:
    """Files that kernels are taken from and that are not what they were in the last session.

    Raises
    ------
    ChangedSettingsError
        If labels or weights from before may mean something else, unless `accept`.
    """
    sessions = [s for s in store.sessions() if s["id"] != store.session]
    before = sessions[-1]["packages"] if sessions else {}
    found = []
    for table in ("generator", "model", "oracle"):
        kernel = getattr(loaded, table)
        old = None if kernel is None else before.get(kernel.distribution)
        if old is not None and old != kernel.version and kernel.version.startswith(FILE_DIGEST):
            found.append(Change(f"{table}.kernel", f"{kernel.distribution} {old}", kernel.version))
    if found and not accept:
        listing = "".join(f"\n  {change}" for change in found)
        raise ChangedSettingsError(
            f"{store.directory} was made with other contents of these files:{listing}",
            "put them back, use another run.directory, or go on all the same: pal run --accept-changes",
        )
    return found


def _earlier(store: Store, session: Mapping[str, Any]) -> Settings:
    try:
        return validate(Settings, parse_json(session["settings"]))
    except (TypeError, ValueError) as error:
        raise StoreError(
            f"{store.path}: the settings of session {session['id']} can't be read: {error}",
            "did another version of pal-core write them? Use that, or another run.directory",
        ) from error


def _refuse_leftovers(store: Store) -> None:
    """Weights of another run would be taken for those of this one."""
    found = [name for name in STATE_FOLDERS if any((store.directory / name).glob("*"))]
    if found:
        raise StoreError(
            f"{store.directory} holds {' and '.join(found)} of a run whose {FILE_NAME} is gone",
            "remove the directory, or use another run.directory",
        )


def settle_validation(store: Store) -> None:
    """Write down, once in the life of a run, how samples are held out: runs begun earlier keep their rule."""
    if store.meta(VALIDATION) is None:
        store.set_meta(VALIDATION, "number" if store.sessions() else "content")


def validation_mask(store: Store, settings: Settings, numbers: Sequence[int]) -> NDArray[np.bool_]:
    """Which stored samples are held out for validation; none ever changes sides."""
    share = settings.training.validation if settings.training else 0.0
    if store.meta(VALIDATION) == "content":
        return by_content(store.digests(numbers), share)
    return by_number(settings.run.seed, share, numbers)
