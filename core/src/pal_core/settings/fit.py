"""Whether the kernels of a run fit each other."""

from __future__ import annotations

from typing import NamedTuple

from pal_core.data import Schema, SchemaError
from pal_core.settings.draft import Draft
from pal_core.settings.kernels import ResolvedKernel
from pal_core.settings.lines import KeyPath

__all__ = ["check_fit"]


class _Fields(NamedTuple):
    """Fields and what they are in words."""

    schema: Schema
    words: str


def check_fit(draft: Draft) -> None:
    """Compare what each kernel reads with what the others give. Kernels that aren't known are left out."""
    generator, model, oracle = draft.kernel("generator"), draft.kernel("model"), draft.kernel("oracle")
    samples = _given("samples", generator)
    predictions, labels = _given("predictions", model), _given("labels", oracle)
    _compare(draft, ("model", "kernel"), _read(model), samples)
    _compare(draft, ("oracle", "kernel"), _read(oracle), samples)
    _compare(draft, ("generator", "kernel"), _read(generator), predictions)
    _compare(draft, ("selection", "kernel"), _read(draft.kernel("selection")), predictions)
    _compare_names(draft, predictions)
    _check_covariances(draft, generator, predictions)
    if model and "training" in draft.data:
        _compare(draft, ("oracle", "kernel"), _Fields(model.interface.labels, f"which {model} learns"), labels)
    for i, check in draft.checks:
        _compare(draft, ("check", i, "kernel"), _read(check), samples)
        _compare(draft, ("check", i, "kernel"), _Fields(check.interface.labels, f"which {check} reads"), labels)
    _check_one_table(draft, samples, labels)


def _given(what: str, kernel: ResolvedKernel | None) -> _Fields | None:
    return _Fields(kernel.interface.produces, f"{what} of {kernel}") if kernel else None


def _read(kernel: ResolvedKernel | None) -> _Fields | None:
    return _Fields(kernel.interface.consumes, f"which {kernel} reads") if kernel else None


def _compare(draft: Draft, at: KeyPath, wanted: _Fields | None, offered: _Fields | None) -> None:
    """One problem for all fields of `wanted` that `offered` lacks or holds differently."""
    if wanted is None or offered is None:
        return
    there = offered.schema
    unmet = [f for name, f in wanted.schema.items() if name not in there or not f.same_data(there[name])]
    if unmet:
        draft.report.add(at, _with(offered), f"{', '.join(map(str, unmet))}, {wanted.words}")


def _compare_names(draft: Draft, predictions: _Fields | None) -> None:
    """Selections that take any field by its name say so by `needs_fields` of their options."""
    needs_fields = getattr(draft.options.get(("selection",)), "needs_fields", tuple)
    for name in needs_fields():
        if predictions and name not in predictions.schema:
            expected = f"{name}, which {draft.kernel('selection')} reads"
            draft.report.add(("selection", "options", "field"), _with(predictions), expected)


def _check_covariances(draft: Draft, generator: ResolvedKernel | None, predictions: _Fields | None) -> None:
    """Pairs of fields whose covariance the walkers want: one number per sample with any other field."""
    if generator is None or predictions is None:
        return
    there = predictions.schema
    for scalar, field in generator.interface.covariances:
        if scalar not in there or field not in there or there[scalar].shape:
            expected = f"a number {scalar} and a field {field}, whose covariance {generator} reads"
            draft.report.add(("generator", "kernel"), _with(predictions), expected)


def _check_one_table(draft: Draft, samples: _Fields | None, labels: _Fields | None) -> None:
    """Samples and labels stand side by side in the data set."""
    if samples is None or labels is None:
        return
    try:
        samples.schema | labels.schema
    except SchemaError as e:
        draft.report.add(("oracle", "kernel"), f"{labels.words} that can't stand beside {samples.words}: {e}")


def _with(fields: _Fields) -> str:
    return f"{fields.words} with {', '.join(map(str, fields.schema.values())) or 'no fields'}"
