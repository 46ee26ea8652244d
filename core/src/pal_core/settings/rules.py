"""Rules that tie one table of the settings to another."""

from __future__ import annotations

from pal_core.errors import PluginError
from pal_core.settings.draft import Draft
from pal_core.store.database import FILE_NAME

__all__ = ["check_rules"]


def check_rules(draft: Draft) -> None:
    """Report every rule that the settings break."""
    rules = (_parts, _start, _bootstrap, _files, _committee, _processes, _ranks, _queue, _serial, _stop, _no_stop)
    for rule in (*rules, _weights, _rolling, _judging, _audit):
        rule(draft)


def _sound(draft: Draft, *keys: str) -> bool:
    """Whether none of these keys is in error: what stands in for a value in error must not be judged."""
    return not any(draft.report.blames(tuple(key.split("."))) for key in keys)


def _parts(draft: Draft) -> None:
    given = draft.initial is not None and bool(draft.initial.initial)
    if "training" in draft.data and "oracle" not in draft.data and not given and _sound(draft, "data.initial"):
        hint = "add an [oracle], name labelled files in data.initial, or leave [training] out"
        draft.report.add(("training",), "a table", "no [training], since nothing gives labels", hint)
    if given and "training" not in draft.data:
        draft.report.warn(("data", "initial"), "these labels are not used, since there is no [training]")
    known = _sound(draft, "model.trained", "model.start")
    if draft.model and not _begins_trained(draft) and "training" not in draft.data and known:
        hint = "say model.trained = true if the options name trained weights"
        draft.report.warn(("model",), "it is neither trained here nor said to be trained", hint)


def _start(draft: Draft) -> None:
    if _starts_untrained(draft) and "oracle" in draft.data and draft.initial and draft.initial.bootstrap == 0:
        hint = (
            "set it to a few dozen, name labelled files in data.initial, or start from trained weights (model.trained)"
        )
        draft.report.add(("data", "bootstrap"), "0", "more than 0, since nothing else gives the first labels", hint)


def _bootstrap(draft: Draft) -> None:
    walker = draft.kernel("generator")
    if not (_starts_untrained(draft) and "oracle" in draft.data and walker):
        return
    if draft.initial and draft.initial.bootstrap > 0 and "bootstrap" not in walker.spec.capabilities:
        hint = "name labelled files in data.initial, or start from trained weights (model.trained)"
        found = f"{walker}, which proposes nothing without a model"
        draft.report.add(("generator", "kernel"), found, "a generator that can bootstrap", hint)


def _starts_untrained(draft: Draft) -> bool:
    """Whether there is training, but neither labels nor weights to start from."""
    labels = draft.initial is None or bool(draft.initial.initial)
    keys = ("model.trained", "model.start", "data.initial", "data.bootstrap")
    known = draft.model is not None and _sound(draft, *keys)
    return "training" in draft.data and not labels and known and not _begins_trained(draft)


def _begins_trained(draft: Draft) -> bool:
    return draft.model is not None and (draft.model.trained or draft.model.start is not None)


def _files(draft: Draft) -> None:
    for i, path in enumerate(draft.initial.initial if draft.initial else ()):
        at = ("data", "initial", i)
        if (draft.base / path.expanduser()).is_dir():
            if not (draft.base / path.expanduser() / FILE_NAME).is_file():
                draft.report.add(at, f"the folder {str(path)!r}", f"a run directory, with {FILE_NAME}, or a file")
            continue
        try:
            draft.host.reader(path)
        except PluginError as e:
            draft.report.add(at, e.message, "", e.hint)
        if not (draft.base / path.expanduser()).is_file():
            draft.report.add(at, repr(str(path)), f"an existing file in {draft.base}")


def _committee(draft: Draft) -> None:
    if not draft.model or draft.model.members > 1:
        return
    selection, walker = draft.kernel("selection"), draft.kernel("generator")
    if selection and selection.spec.name == "pal.threshold":
        hint = "take 2 members or more, or another selection"
        expected = "at least 2, since selection 'pal.threshold' compares members"
        draft.report.add(("model", "members"), "1", expected, hint)
    if walker and walker.interface.covariances:
        draft.report.add(("model", "members"), "1", f"at least 2, since {walker} with these options compares members")


def _processes(draft: Draft) -> None:
    members = draft.model.members if draft.model else None
    limits = [
        ("generator", draft.generator, "generator.walkers", draft.generator.walkers if draft.generator else None),
        ("model", draft.model, "model.members", members),
        ("training", draft.training, "model.members", members),
    ]
    for name, table, key, limit in limits:
        if not (table and limit and _sound(draft, f"{name}.processes", key)):
            continue
        if table.processes is not None and table.processes > limit:
            expected = f"at most {key} = {limit}, since a rank needs one at least"
            draft.report.add((name, "processes"), str(table.processes), expected)


def _ranks(draft: Draft) -> None:
    for i, rule in enumerate(draft.placement):
        for name, article in (("training", "a"), ("oracle", "an")):
            if getattr(rule, name) and name not in draft.data:
                draft.report.add(
                    ("placement", i, name), f"{getattr(rule, name)} ranks", f"none without {article} [{name}] table"
                )


def _queue(draft: Draft) -> None:
    sound = _sound(draft, "oracle.ahead", "training.retrain_after")
    if sound and draft.oracle and draft.training and draft.oracle.ahead is not None:
        least = draft.training.retrain_after
        if draft.oracle.ahead < least:
            expected = f"at least training.retrain_after = {least}, or no round would ever start"
            draft.report.add(("oracle", "ahead"), str(draft.oracle.ahead), expected)


def _serial(draft: Draft) -> None:
    run = draft.data.get("run")
    serial = isinstance(run, dict) and run.get("schedule") == "serial"
    missing = [f"[{name}]" for name in ("oracle", "training") if name not in draft.data]
    if serial and missing:
        expected = f"'parallel' without {' and '.join(missing)}: exploring, labelling and training take turns"
        draft.report.add(("run", "schedule"), "'serial'", expected)
    if serial and isinstance(run, dict) and type(run.get("spares")) is int and run["spares"] > 0:
        found = "spare ranks are never used in the serial schedule: lost ranks are always started anew"
        draft.report.warn(("run", "spares"), found, 'leave it out, or set run.schedule = "parallel"')


def _stop(draft: Draft) -> None:
    stop = draft.stop
    if stop is None:
        return
    for key, table, article in (("labels", "oracle", "an"), ("rounds", "training", "a")):
        if getattr(stop, key) is not None and table not in draft.data:
            draft.report.add(("stop", key), str(getattr(stop, key)), f"no such rule without {article} [{table}] table")
    selection = draft.kernel("selection")
    if stop.converged and selection and selection.spec.name in ("pal.all", "pal.random"):
        found = f"{selection} selects the same share however sure the committee is: this rule says nothing"
        draft.report.warn(("stop", "converged"), found)


def _no_stop(draft: Draft) -> None:
    rules = ("labels", "steps", "rounds", "wall_time", "converged")
    if draft.stop and all(getattr(draft.stop, key) is None for key in rules):
        hint = f"set one of stop.{', stop.'.join(rules)}"
        draft.report.warn(("stop",), "no stop rule: the run ends only when its walkers or trainers end it", hint)


def _weights(draft: Draft) -> None:
    start = draft.model.start if draft.model else None
    if start is not None and not (draft.base / start.expanduser()).is_dir():
        expected = f"a run directory or a folder with weights of members, in {draft.base}"
        draft.report.add(("model", "start"), repr(str(start)), expected)


def _rolling(draft: Draft) -> None:
    training, model = draft.training, draft.kernel("model")
    if training is None or not _sound(draft, "training.window", "training.replay"):
        return
    if training.window is None:
        if training.replay:
            draft.report.warn(("training", "replay"), "nothing is replayed without training.window")
        return
    if model and "use" not in model.spec.capabilities:
        found = f"{model}, which trains on all its labels"
        expected = "a model that can be told which labels to use (capability 'use' in `pal kernels NAME`)"
        draft.report.add(("training", "window"), found, expected, "leave training.window out, or take another model")
    if isinstance(training.replay, float):
        found = "a share of all older labels grows with them, and with it the time of an epoch"
        draft.report.warn(("training", "replay"), found, "give a number to keep epochs as short as they are")


def _judging(draft: Draft) -> None:
    training = draft.training
    if training is None or not _sound(draft, "training.validation", "training.monitor", "training.reinitialise"):
        return
    anew = training.reinitialise
    if anew is not None and anew.every is None and anew.stalled is None:
        draft.report.add(("training", "reinitialise"), "an empty table", "every or stalled, or both")
    judged = training.patience is not None or anew is not None
    if judged and training.validation == 0:
        found = "without held-out labels, training is judged by how well it fits its own data"
        draft.report.warn(("training", "validation"), found, "hold some out")


def _audit(draft: Draft) -> None:
    share = draft.selection.audit if draft.selection else 0.0
    if share and "oracle" not in draft.data and _sound(draft, "selection.audit"):
        draft.report.add(
            ("selection", "audit"), f"{share:g}", "0 without an [oracle] table: nothing labels the samples"
        )
