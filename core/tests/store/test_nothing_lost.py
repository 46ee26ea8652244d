"""Whatever happens to samples, in whatever order: no label is lost, and no state contradicts another table."""

from __future__ import annotations

import tempfile
from pathlib import Path

import hypothesis.strategies as st
import numpy as np
from hypothesis import Phase, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from stores import add, open_store, value

from pal_core.builtin.schema import LABEL
from pal_core.doctor.database import look_at_database
from pal_core.store.store import Store
from pal_core.store.tables import pack

FATES = st.sampled_from(["wait", "admit", "refuse", "fail", "drop"])


class Life(RuleBasedStateMachine):
    """A store, and what it must remember."""

    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        self.store = open_store(Path(self.folder.name))
        self.next = 1
        self.admitted: dict[int, bytes] = {}
        self.refused: dict[int, bytes] = {}
        self.energy = 0.0

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    def state(self, *wanted: str) -> list[int]:
        return [n for n, s in self.store._run("SELECT id, state FROM samples ORDER BY id") if s in wanted]

    def one(self, data: st.DataObject, *wanted: str) -> int | None:
        numbers = self.state(*wanted)
        return data.draw(st.sampled_from(numbers)) if numbers else None

    def new_label(self, number: int) -> dict[str, np.ndarray]:
        kept = self.store.ahead_label(number)
        self.energy += 1.0
        return kept or value(self.energy)

    @rule(fates=st.lists(FATES, min_size=1, max_size=3))
    def go_on(self, fates: list[str]) -> None:
        """Propose samples; each waits, or meets its fate at once."""
        for fate in fates:
            number = self.propose()
            if fate != "wait" and number in self.state("waiting"):
                self.meet(number, fate)

    def propose(self) -> int:
        """As the manager does: a number beyond the set may be one that was seen before."""
        number, self.next = self.next, self.next + 1
        if not self.store.resume_ahead(number, {"x": np.array([number, 0.0])}) and number >= self.store.next_sample:
            add(self.store, number)
        return number

    @rule(data=st.data(), fate=FATES)
    def decide_about_one_that_waits(self, data: st.DataObject, fate: str) -> None:
        number = self.one(data, "waiting")
        if number is not None and fate != "wait":
            self.meet(number, fate)

    def meet(self, number: int, fate: str) -> None:
        if fate == "drop":
            self.store.drop([number], "queue full")
        elif fate == "fail" and self.store.ahead_label(number) is None:
            self.store.add_attempt(number, 1, "oracle/0", seconds=1.0, failure="crashed")
            self.store.quarantine(number, "crashed")
        elif fate == "refuse":
            label = self.new_label(number)
            self.store.quarantine(number, "odd", label, kernel="k", package="p", level="L")
            self.refused[number] = pack(LABEL, label)
            if self.admitted.get(number) == self.refused[number]:
                del self.admitted[number]  # judged anew, and otherwise than before
        else:
            label = self.new_label(number)
            self.store.add_label(number, label, "k", "p", "L")
            self.admitted.setdefault(number, pack(LABEL, label))

    @rule(data=st.data(), how=st.sampled_from(["requeue", "accept", "discard"]))
    def decide(self, data: st.DataObject, how: str) -> None:
        number = self.one(data, "quarantined")
        with_label = [q["sample"] for q in self.store.quarantined() if q["has_label"]]
        if number is not None and (how != "accept" or number in with_label):
            getattr(self.store, how)([number])
            if how == "accept":
                self.admitted.setdefault(number, self.refused[number])

    @rule(data=st.data(), fates=st.lists(FATES, max_size=4))
    def rewind(self, data: st.DataObject, fates: list[str]) -> None:
        number = self.one(data, "labelled", "quarantined", "waiting", "dropped") or 1
        self.store.rewind(number, 0)
        self.next = number
        self.go_on(fates)

    @precondition(lambda self: self.state("ahead"))
    @rule()
    def forget(self) -> None:
        with_label = {n for (n,) in self.store._run("SELECT sample FROM labels")} & set(self.state("ahead"))
        self.store.forget_ahead()
        self.next = self.store.next_sample
        assert with_label <= set(self.store.labelled())

    @rule(commit=st.booleans())
    def reopen(self, commit: bool) -> None:
        if commit:
            self.store.close()
        else:
            self.store.commit()
            self.store.close(commit=False)
        self.store = Store(Path(self.folder.name), write=True)

    @invariant()
    def every_label_is_there(self) -> None:
        labels = dict(self.store._run("SELECT sample, data FROM labels"))
        refused = dict(self.store._run("SELECT sample, data FROM quarantine WHERE data IS NOT NULL"))
        for number, blob in self.admitted.items():
            assert blob in (labels.get(number), refused.get(number)), f"label of sample {number} is lost"
        for number, blob in self.refused.items():
            assert blob in (labels.get(number), refused.get(number)), f"refused label of {number} is lost"

    @invariant()
    def nothing_was_invented(self) -> None:
        labels = dict(self.store._run("SELECT sample, data FROM labels"))
        assert labels.items() <= self.admitted.items()
        assert set(self.store.labelled()) <= labels.keys()

    @invariant()
    def tables_agree(self) -> None:
        self.store.commit()
        wrong = [f for f in look_at_database(Path(self.folder.name), live=True) if f.severity == "problem"]
        assert wrong == []


TestLife = Life.TestCase
# Every step opens a store: shrinking a failure would take longer than understanding it.
PHASES = [p for p in Phase if p not in (Phase.shrink, Phase.explain)]
TestLife.settings = settings(max_examples=25, stateful_step_count=25, deadline=None, phases=PHASES)
