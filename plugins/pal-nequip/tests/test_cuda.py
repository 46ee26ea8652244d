"""The same numbers on a GPU as on the CPU. Skipped where there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from ase.build import bulk
from pal_core.kernels import Context
from schnet_frames import SMALL, batch_of, clusters, molecules

from pal_schnet.model import SchnetCommittee
from pal_schnet.options import SchnetOptions

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")

CPU = Context("training", 0, seed=1)
GPU = replace(CPU, device="cuda")


def trained(context, dtype="float64", epochs=5):
    model = SchnetCommittee(SchnetOptions(**SMALL, dtype=dtype), context)
    batch = clusters(30)
    model.extend(batch, np.arange(30) % 5 == 0)
    return model, [e.metrics for e in islice(model.train(), epochs)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
def test_predictions_agree_with_the_cpu(dtype, tolerance):
    model, _ = trained(CPU, dtype)
    options = SchnetOptions(**SMALL, dtype=dtype)
    here, there = (SchnetCommittee(options, c) for c in (CPU, GPU))
    for other in (here, there):
        other.load(model.weights())
    batch = batch_of(*molecules("CH3CH2OH", "H2O", "C6H6"), bulk("Cu", cubic=True))
    a, b = here.predict(batch), there.predict(batch)
    for name in ("energy", "forces"):
        np.testing.assert_allclose(b.columns[name], a.columns[name], atol=tolerance)


def test_training_follows_the_cpu():
    (_, cpu), (_, gpu) = trained(CPU), trained(GPU)
    for a, b in zip(cpu, gpu, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)


def test_snapshot_goes_on_on_the_other_device():
    model, _ = trained(GPU)
    moved = SchnetCommittee(SchnetOptions(**SMALL, dtype="float64"), CPU)
    moved.extend(clusters(30), np.arange(30) % 5 == 0)
    moved.restore(model.snapshot())
    a, b = (next(islice(m.train(), 1)) for m in (model, moved))
    assert a.number == b.number
    assert a.metrics["loss"] == pytest.approx(b.metrics["loss"], rel=1e-5)
