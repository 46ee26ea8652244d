"""The order in which settings are examined; every step goes on where the last one found mistakes."""

from __future__ import annotations

from pal_core.settings import model
from pal_core.settings.draft import Draft
from pal_core.settings.fit import check_fit
from pal_core.settings.resolve import resolve_kernels
from pal_core.settings.rules import check_rules
from pal_core.settings.tables import check_names, entries, table

__all__ = ["examine"]


def examine(draft: Draft) -> None:
    """Make of the settings what can be made, and report the rest."""
    draft.data = {k: v for k, v in draft.data.items() if v is not None}
    if "oracle" not in draft.data and "selection" not in draft.data:
        # Nothing can be labelled, so there is nothing to select: trust every finite prediction.
        draft.data["selection"] = {"kernel": "pal.all"}
    check_names(draft.data, draft.report)
    options = resolve_kernels(draft)
    data, report = draft.data, draft.report
    draft.generator = table(data, "generator", model.GeneratorTable, report, options.get(("generator",)))
    draft.model = table(data, "model", model.ModelTable, report, options.get(("model",)))
    draft.training = table(data, "training", model.TrainingTable, report)
    draft.oracle = table(data, "oracle", model.OracleTable, report, options.get(("oracle",)))
    draft.initial = table(data, "data", model.DataTable, report)
    draft.stop = table(data, "stop", model.StopTable, report)
    draft.placement = tuple(r for r in entries(data, "placement", model.NodeRule, report) if r)
    table(data, "run", model.RunTable, report)
    draft.selection = table(data, "selection", model.SelectionTable, report, options.get(("selection",)))
    entries(data, "check", model.CheckTable, report)
    check_rules(draft)
    check_fit(draft)
