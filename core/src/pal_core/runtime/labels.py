"""What the manager does with samples and labels: numbers, duplicates, attempts, checks, quarantine."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from pal_core import messages as m
from pal_core.control import vocabulary as v
from pal_core.data import Batch
from pal_core.kernels import Label
from pal_core.runtime.checks import CheckRaised, Checks, expected_columns, expected_from
from pal_core.runtime.host import Setup
from pal_core.runtime.level import level_of
from pal_core.runtime.oracle_process import oracle_wire
from pal_core.runtime.spool import DEAR, Spool
from pal_core.store.store import Store

__all__ = ["LabelDesk"]

_LARGE = 1e300
_log = logging.getLogger("pal.manager")


class LabelDesk:
    """Numbers what arrives, stores it, and turns it into events.

    Parameters
    ----------
    setup : Setup
    store : Store
    """

    def __init__(self, setup: Setup, store: Store) -> None:
        self._setup = setup
        self._store = store
        self.next_sample = 0
        """Number for the next new sample."""
        self.repeating = False
        """Whether the run repeats itself from a snapshot set: labels made beyond it are taken from the store."""
        self.checks = Checks(setup, lambda text: store.note("check", text))
        self.checks.restore(setup.past.state("checks/0") or {})
        self.trouble = ""
        self.level = level_of(setup.loaded)
        self._spool = Spool(setup.directory, self.level, oracle_wire(setup.loaded)) if setup.loaded.oracle else None
        self._stored: list[tuple[int, int]] = []
        self.dear = False
        """Whether a label has been stored that is worth the wait for the disk."""
        self._fresh: dict[int, dict[str, Any]] = {}
        self._last_failure: dict[int, str] = {}

    # --- samples

    def arrivals(self, message: m.Selected | m.Candidates) -> Iterator[v.Event]:
        """Number the samples of a message; what is known already is not labelled twice."""
        for row, sample in enumerate(message.batch):
            bootstrap = isinstance(message, m.Candidates)
            twin = self._store.twin(sample, self.level)
            if twin is not None:
                self._store.drop([], "duplicate", 1)
                wanted = isinstance(message, m.Selected) and bool(message.wanted[row]) and self._store.want(twin[0])
                yield v.SampleKnown(bootstrap, twin[0] if wanted else None)
                continue
            number, walker = self.next_sample, int(message.walkers[row])
            self.next_sample += 1
            record: dict[str, Any] = {"walker": walker, "version": 0, "score": None, "origin": "bootstrap"}
            if isinstance(message, m.Selected):
                score = float(message.score[row])
                origin = "audit" if message.audit else "wanted" if message.wanted[row] else "active"
                record = {"walker": walker, "version": message.version, "score": score, "origin": origin}
                record["expected"] = expected_columns(message.mean[row], message.std[row])
            self._fresh[number] = {"sample": sample, **record}
            score = record["score"] if record["score"] is not None else np.inf
            worth = score if np.isfinite(score) else _LARGE
            audit, wanted = (record["origin"] == origin for origin in ("audit", "wanted"))
            size = _size(message.batch, row)
            yield v.SampleArrived(number, walker, worth, bootstrap, size, audit=audit, wanted=wanted)

    def keep(self, number: int) -> None:
        """Write a new sample down, or find it among those of the part that is being repeated."""
        record = self._fresh.pop(number)
        sample = record.pop("sample")
        if not (self.repeating and self._store.resume_ahead(number, sample)):
            self._store.add_sample(number, sample, **record)

    def discard(self, numbers: tuple[int, ...], why: str) -> None:
        """Drop samples, stored or not."""
        unseen = [n for n in numbers if self._fresh.pop(n, None) is not None]
        self._store.drop([n for n in numbers if n not in unseen], why, len(unseen))

    # --- labels

    def stored_label(self, host: str, number: int, attempt: int) -> v.LabelArrived | None:
        """The answer to a dispatch whose label is there already.

        The store has it from before the run began to repeat itself, or it was made before its oracle's host was lost.
        """
        label = self._store.ahead_label(number) if self.repeating else None
        if label is not None:
            return self._judged(host, number, attempt, label, None)
        found = None if attempt == 1 else self.finished(number, attempt)
        return None if found is None else self.labelled(host, found)

    def finished(self, number: int, attempt: int) -> m.Labelled | None:
        """The label of a sample that has been written down where it was made, as the answer to an attempt.

        Whatever became of its maker, and of whichever attempt it is.
        """
        labels = self._spool.labels(number) if self._spool is not None else iter(())
        found = next((label for _, label in labels), None)
        if found is None:
            return None
        self._forget_later(found)
        return replace(found, attempt=attempt)

    def take_in(self) -> int:
        """Store the labels that an earlier part of the run had not come to; returns how many.

        A run that repeats itself judges them when it comes to their samples again.
        """
        taken = 0
        for host, message in self._spool.labels() if self._spool is not None else ():
            self._forget_later(message)
            if not self._store.lacks_label(message.request):
                continue
            taken += 1
            if self._setup.repeats:
                self._store.add_attempt(message.request, message.attempt, host, seconds=message.seconds)
                self._store.add_label(message.request, message.batch[0], *self._origin(), level=self.level)
                continue
            with contextlib.suppress(CheckRaised):  # the label is in quarantine then, with the reason
                self.labelled(host, message)
        return taken

    def _forget_later(self, label: m.Labelled) -> None:
        self._stored.append((label.request, label.attempt))
        self.dear = self.dear or label.seconds >= DEAR

    def remind_checks(self, since: float) -> None:
        """Tell the checks of labels admitted since they were last asked what they remember."""
        numbers = self._store.labelled(since)
        for sample, label in zip(self._store.samples(numbers), self._store.labels(numbers), strict=True):
            self.checks.remember(sample, label)

    def committed(self) -> None:
        """What has been stored is durable: it needn't lie in the spool any longer."""
        stored, self._stored, self.dear = self._stored, [], False
        for request, attempt in stored if self._spool is not None else ():
            self._spool.remove(request, attempt)  # type: ignore[union-attr] # there is one

    def labelled(self, host: str, message: m.Labelled) -> v.LabelArrived:
        """Judge a label and store it, admitted or not.

        Raises
        ------
        CheckRaised
            If a check raises; the label is then in quarantine.
        """
        self._forget_later(message)
        self._store.add_attempt(message.request, message.attempt, host, seconds=message.seconds)
        return self._judged(host, message.request, message.attempt, message.batch[0], message.seconds)

    def _judged(self, host: str, number: int, attempt: int, label: Label, seconds: float | None) -> v.LabelArrived:
        sample = self._store.samples([number])[0]
        expected = expected_from(self._store.expected(number), self._store.version(number))
        try:
            reason = self.checks.objection(sample, label, expected)
        except CheckRaised as error:
            self._set_aside(number, f"a check raised: {error.message.what}", label)
            raise
        if reason is None:
            self._last_failure.pop(number, None)
            self._store.add_label(number, label, *self._origin(), level=self.level)
        else:
            self._set_aside(number, reason, label)
            self.trouble = f"label refused: {reason}"
        return v.LabelArrived(host, number, reason is None, attempt, seconds)

    def _origin(self) -> tuple[str, str]:
        kernel = self._setup.loaded.oracle
        assert kernel is not None  # noqa: S101 - it has just answered
        return kernel.spec.name, f"{kernel.distribution} {kernel.version}"

    def _set_aside(self, number: int, reason: str, label: Label) -> None:
        kernel, package = self._origin()
        self._store.quarantine(number, reason, label, kernel=kernel, package=package, level=self.level)
        self._last_failure[number] = reason
        _log.warning("label of sample %d set aside: %s", number, reason)

    def failed(self, host: str, message: m.LabelFailed) -> v.Event:
        """Store a failed attempt."""
        self._store.add_attempt(
            message.request,
            message.attempt,
            host,
            seconds=message.seconds,
            failure=message.failure,
            text=message.text,
            evidence=message.evidence,
        )
        failure = f"{message.failure}: {message.text}"
        self._last_failure[message.request] = failure
        self.trouble = f"{failure} (more: pal labels show {self._setup.directory} {message.request})"
        _log.warning("sample %d, attempt %d on %s: %s", message.request, message.attempt, host, failure)
        return v.LabelMissed(host, message.request, message.failure == "invalid_input", message.attempt)

    def given_up(self, number: int, attempts: int) -> None:
        """Quarantine a sample that has no label after its last attempt."""
        reason = self._last_failure.pop(number, "no label")
        if not self._store.is_quarantined(number):
            self._store.quarantine(number, f"{reason} (attempts: {attempts})")

    def snapshot_part(self) -> dict[str, dict[str, Any]]:
        """What the checks remember, as a part of a snapshot set."""
        state = dict(self.checks.snapshot())
        return {"checks/0": state} if state else {}


def _size(batch: Batch, row: int) -> int:
    """What the duration of a label depends on: the length of the ragged dimension, or 1 without one."""
    return 1 if batch.offsets is None else int(batch.offsets[row + 1] - batch.offsets[row])
