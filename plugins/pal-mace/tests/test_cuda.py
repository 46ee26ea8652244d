"""The same numbers on a GPU as on the CPU. Skipped where there is none."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
import torch
from mace_frames import SMALL
from pal_core.kernels import Context

from pal_ase.codec import atoms_to_batch
from pal_ase.testing.structures import diamond, frames, rattled
from pal_mace.library import has_cuequivariance
from pal_mace.model import MaceCommittee
from pal_mace.options import MaceOptions

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use")

CPU = Context("training", 0, seed=1)
GPU = replace(CPU, device="cuda")


def made(context, dtype="float64", accelerate=False):
    return MaceCommittee(MaceOptions(**SMALL, dtype=dtype, accelerate=accelerate), context)


def trained(context, epochs=5, **options):
    model, batch = made(context, **options), frames(20)
    model.extend(batch, np.arange(20) % 5 == 0)
    return model, [e.metrics for e in islice((e for e in model.train() if e.whole), epochs)]


@pytest.mark.parametrize("accelerate", [False, True])
@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
def test_predictions_agree_with_the_cpu(dtype, tolerance, accelerate):
    if accelerate and not has_cuequivariance():
        pytest.skip("needs cuequivariance-torch")
    model, _ = trained(CPU, dtype=dtype)
    here, there = made(CPU, dtype), made(GPU, dtype, accelerate)
    for other in (here, there):
        other.load(model.weights())
    batch = atoms_to_batch([rattled("CH3CH2OH"), rattled("H2O"), diamond()])
    a, b = here.predict(batch), there.predict(batch)
    for name in ("energy", "forces"):
        np.testing.assert_allclose(b.columns[name], a.columns[name], atol=tolerance)


def test_training_follows_the_cpu():
    (_, cpu), (_, gpu) = trained(CPU), trained(GPU)
    for a, b in zip(cpu, gpu, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)


def test_snapshot_goes_on_on_the_other_device():
    model, _ = trained(GPU)
    moved = made(CPU)
    moved.extend(frames(20), np.arange(20) % 5 == 0)
    moved.restore(model.snapshot())
    a, b = (next(e for e in m.train() if e.whole) for m in (model, moved))
    assert a.number == b.number
    assert a.metrics["loss"] == pytest.approx(b.metrics["loss"], rel=1e-5)
