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
            if (answer.request, answer.attempt) != (task.request, task.attempt):
                return f"an answer to request {answer.request!r}, not to {task.request}"
            if not isinstance(answer.seconds, (int, float)):
                return f"seconds {answer.seconds!r}"
            return _label(task, answer, schema) if isinstance(answer, m.Labelled) else _failure(answer)
        case m.Inspected(problems), m.Inspect():
            return "" if isinstance(problems, tuple) and _texts(*problems) else "problems that are no texts"
        case m.Ready() | m.Halted(), _:
            return ""
        case m.Note(source, text), _:
            return "" if _texts(source, text) else "a note that is no text"
        case m.Broken(kernel, key, what, trace), _:
            return "" if _texts(kernel, key, what, trace) else "an error that is no text"
    return f"{type(answer).__name__} without being asked"


def _texts(*values: object) -> bool:
    return all(isinstance(v, str) for v in values)


def _label(task: m.Label, answer: m.Labelled, schema: Schema) -> str:
    if not isinstance(answer.batch, Batch) or answer.batch.schema != schema or len(answer.batch) != 1:
        return "a label that is not one label"
    try:
        check_length(task.batch, answer.batch)
    except SchemaError as error:
        return f"the label doesn't fit its sample: {error}"
    return ""


def _failure(answer: m.LabelFailed) -> str:
    fits = answer.failure in _FAILURES and _texts(answer.text, answer.evidence)
    return "" if fits else f"a failure of kind {answer.failure!r}"
