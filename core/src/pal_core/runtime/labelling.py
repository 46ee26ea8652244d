"""Calls an oracle kernel and turns what it does into messages; the same with and without a process of its own."""

from __future__ import annotations

import errno
import signal
import time
import traceback
from pathlib import Path

from pal_core import messages as m
from pal_core.data import Batch, Schema, SchemaError
from pal_core.kernels import Oracle, OracleFailure
from pal_core.runtime.scratch import empty
from pal_core.runtime.spool import Spool
from pal_core.runtime.surroundings import Surroundings

__all__ = ["Labeller", "check_length"]

_EVIDENCE = 4000
_EXHAUSTION = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)


class Labeller:
    """An oracle with its scratch directory.

    Parameters
    ----------
    oracle : Oracle
    schema : Schema
        Fields that a label must have.
    scratch : Path
        Emptied before every label.
    surroundings : Surroundings, optional
        Of the process; left out, one that is others' too.
    spool : Spool, optional
        Where labels are written down.
    """

    def __init__(
        self,
        oracle: Oracle,
        schema: Schema,
        scratch: Path,
        surroundings: Surroundings | None = None,
        spool: Spool | None = None,
    ) -> None:
        self.oracle = oracle
        self.schema = schema
        self.scratch = scratch
        self.exhausted = False
        """Whether memory, threads or open files have run out: the next label wants another process."""
        self._surroundings = surroundings or Surroundings()
        self._spool = spool

    def label(self, request: m.Label) -> m.Labelled | m.LabelFailed:
        """Label the sample of a request; whatever the kernel raises becomes a failure."""
        begin = time.monotonic()
        try:
            batch = self._label(request.batch)
        except OracleFailure as failure:
            return self._failed(request, begin, failure)
        except SchemaError as error:
            wrong = OracleFailure("crashed", f"the label doesn't fit its schema: {error}")
            return self._failed(request, begin, wrong)
        except BaseException as error:  # the kernel's own bug costs one attempt, not the run
            if isinstance(error, KeyboardInterrupt) and signal.getsignal(signal.SIGINT) is signal.default_int_handler:
                raise  # the user's, where nobody else takes care of Ctrl-C
            self.exhausted = self.exhausted or _is_exhaustion(error)
            text = f"{type(error).__name__}: {error}"
            return self._failed(request, begin, OracleFailure("crashed", text, traceback.format_exc()))
        label = m.Labelled(request.request, request.attempt, batch, time.monotonic() - begin)
        if self._spool is not None:
            self._spool.write(f"oracle/{self.oracle.context.index}", label)
        return label

    def _label(self, sample: Batch) -> Batch:
        empty(self.scratch)
        self._surroundings.begin()
        try:
            label = self.oracle.label(sample[0])
            batch = Batch.from_samples(self.schema, [{name: label[name] for name in self.schema if name in label}])
        finally:
            self._surroundings.end()
        check_length(sample, batch)
        return batch

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


def _is_exhaustion(error: BaseException) -> bool:
    """Whether something has run out that a new process has again."""
    threads = isinstance(error, RuntimeError) and "can't start new thread" in str(error)
    return isinstance(error, MemoryError) or threads or (isinstance(error, OSError) and error.errno in _EXHAUSTION)


def check_length(sample: Batch, label: Batch) -> None:
    """Refuse a label of more or fewer atoms than its sample: it'd be noticed only when both are joined for training.

    Raises
    ------
    SchemaError
        If the lengths differ.
    """
    if sample.offsets is None or label.offsets is None:
        return
    found, wanted = int(label.offsets[-1]), int(sample.offsets[-1])
    if found != wanted:
        raise SchemaError(f"it has {found} {label.schema.ragged}, the sample {wanted}")
