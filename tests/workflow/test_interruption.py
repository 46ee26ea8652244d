"""Ctrl-C and the same command again: one run in two parts."""

from __future__ import annotations

import signal
from collections import Counter

import ase.io
from ase import Atoms
from stack import ETHANOL, Workflow

from pal_ase.codec import atoms_to_sample
from pal_ase.schema import SAMPLE
from pal_core.store.tables import pack

LABELS = 80


def start_blob(atoms: Atoms) -> bytes:
    """A start structure as the store keeps it."""
    return pack(SAMPLE, atoms_to_sample(atoms))


def again_labelled(workflow: Workflow) -> set[bytes]:
    """Structures that have more than one label."""
    found = workflow.rows("SELECT samples.data FROM samples JOIN labels ON sample = samples.id")
    return {data for (data,), count in Counter(found).items() if count > 1}


def test_interrupted_run_goes_on_without_losing_or_doubling_a_label(workflow):
    # Labelling waits for training, so that there is something left to do when the signal arrives. Nothing is ever
    # trusted, so walkers come back to no other structures than those that they start from.
    workflow.write(ETHANOL, labels=LABELS, min_epochs=20, oracle="ahead = 10", upper=1e-6)
    process = workflow.start("run", "small.toml")
    workflow.wait_for(20, process)
    process.send_signal(signal.SIGINT)
    out, err = workflow.finish(process)
    assert process.returncode == 75, err
    assert "pal run" in out
    first = set(workflow.rows("SELECT sample, data FROM labels"))
    assert 20 <= len(first) < LABELS

    again = workflow.pal("run", "small.toml")
    assert again.code == 0, again.err
    last = workflow.rows("SELECT sample, data FROM labels")
    assert len(last) == len({number for number, _ in last}) == LABELS
    assert first < set(last)
    assert again_labelled(workflow) <= {start_blob(atoms) for atoms in ase.io.read(ETHANOL, index=":")}
    assert workflow.rows("SELECT COUNT(*) FROM attempts WHERE failure IS NULL") == [(LABELS,)]
