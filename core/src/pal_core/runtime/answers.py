"""Whether what an oracle's process has sent answers what it was asked: it may write anything into its pipe."""

from __future__ import annotations

from pal_core import messages as m
from pal_core.data import Batch, Schema, SchemaError
from pal_core.kernels import FailureKind
from pal_core.runtime.labelling import check_length

__all__ = ["misfit"]

_FAILURES = FailureKind.__args__  # type: ignore[attr-defined] # of a Literal


def misfit(task: m.Label | m.Inspect | None, answer: m.Message, schema: Schema) -> str:
    """What is wrong with an answer; empty if nothing is.

    Parameters
    ----------
    task : Label, Inspect or None
        What was asked.
    answer : Message
        Decoded, but of anybody's making.
    schema : Schema
        Of labels.
    """
    match answer, task:
        case m.Labelled() | m.LabelFailed(), m.Label():
            return _answer(task, answer, schema)
        case m.Inspected(problems), m.Inspect():
            fits = isinstance(problems, tuple) and _texts(*problems)
        case m.Ready() | m.Halted(), _:
            fits = True
        case m.Note(source, text), _:
            fits = _texts(source, text)
        case m.Broken(kernel, key, what, trace), _:
            fits = _texts(kernel, key, what, trace)
        case _:
            return f"{type(answer).__name__} without being asked"
    return "" if fits else f"a {type(answer).__name__} of other things than texts"


def _texts(*values: object) -> bool:
    return all(isinstance(v, str) for v in values)


def _answer(task: m.Label, answer: m.Labelled | m.LabelFailed, schema: Schema) -> str:
    if (answer.request, answer.attempt) != (task.request, task.attempt) or not isinstance(answer.seconds, (int, float)):
        return f"an answer to request {answer.request!r}, not to {task.request}"
    if isinstance(answer, m.LabelFailed):
        fits = answer.failure in _FAILURES and _texts(answer.text, answer.evidence)
        return "" if fits else f"a failure of kind {answer.failure!r}"
    if not isinstance(answer.batch, Batch) or answer.batch.schema != schema or len(answer.batch) != 1:
        return "a label that is not one label"
    try:
        check_length(task.batch, answer.batch)
    except SchemaError as error:
        return f"the label doesn't fit its sample: {error}"
    return ""
