"""Calls an oracle kernel and turns what it does into messages; the same with and without a child process."""

from __future__ import annotations

import os
import shutil
import time
import traceback
from pathlib import Path

from pal_core import messages as m
from pal_core.data import Batch, Schema, SchemaError
from pal_core.kernels import Oracle, OracleFailure

__all__ = ["Labeller"]

_EVIDENCE = 4000


class Labeller:
    """An oracle with its scratch directory.

    Parameters
    ----------
    oracle : Oracle
    schema : Schema
        Fields that a label must have.
    scratch : Path
        Emptied before every label.
    """

    def __init__(self, oracle: Oracle, schema: Schema, scratch: Path) -> None:
        self.oracle = oracle
        self.schema = schema
        self.scratch = scratch

    def label(self, request: m.Label) -> m.Labelled | m.LabelFailed:
        """Label the sample of a request; whatever the kernel raises becomes a failure."""
        begin = time.monotonic()
        try:
            empty(self.scratch)
            label = self.oracle.label(request.batch[0])
            batch = Batch.from_samples(self.schema, [{name: label[name] for name in self.schema if name in label}])
            _check_length(request.batch, batch)
        except OracleFailure as failure:
            return self._failed(request, begin, failure)
        except SchemaError as error:
            wrong = OracleFailure("crashed", f"the label doesn't fit its schema: {error}")
            return self._failed(request, begin, wrong)
        except Exception as error:  # the kernel's own bug costs one attempt, not the run
            text = f"{type(error).__name__}: {error}"
            return self._failed(request, begin, OracleFailure("crashed", text, traceback.format_exc()))
        return m.Labelled(request.request, request.attempt, batch, time.monotonic() - begin)

    @staticmethod
    def _failed(request: m.Label, begin: float, failure: OracleFailure) -> m.LabelFailed:
        text, evidence = str(failure.message), str(failure.evidence)[-_EVIDENCE:]
        seconds = time.monotonic() - begin
        return m.LabelFailed(request.request, request.attempt, failure.kind, text, evidence, seconds)

    def inspect(self, request: m.Inspect) -> m.Inspected:
        """Ask the oracle which samples it can never label."""
        problems: dict[str, None] = {}
        for sample in request.batch:
            try:
                self.oracle.inspect(sample)
            except OracleFailure as failure:
                problems[failure.message] = None
        return m.Inspected(tuple(problems))


def _check_length(sample: Batch, label: Batch) -> None:
    """A label of more or fewer atoms than the sample would only be noticed when both are joined for training."""
    if sample.offsets is None or label.offsets is None:
        return
    found, wanted = int(label.offsets[-1]), int(sample.offsets[-1])
    if found != wanted:
        raise SchemaError(f"it has {found} {label.schema.ragged}, the sample {wanted}")


def empty(directory: Path) -> None:
    """Make sure that a directory is there and holds nothing."""
    directory.mkdir(parents=True, exist_ok=True)
    for entry in os.scandir(directory):
        if entry.is_dir(follow_symlinks=False):
            shutil.rmtree(entry.path, ignore_errors=True)
        else:
            Path(entry.path).unlink(missing_ok=True)
