"""The same numbers on a GPU as on the CPU. Skipped where there is none."""

from __future__ import annotations

from itertools import islice

import numpy as np
import pytest
import torch
from ase.build import bulk
from nequip_frames import KINDS, batch_of, ethanol, member

from pal_ase.testing.structures import frames
from pal_nequip import network

pytestmark = [
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU that torch can use"),
    pytest.mark.parametrize("kind", KINDS),
]


def trained(kind, device, epochs=5, **options):
    model = member(kind, device=device, batch_size=4, **options)
    model.extend(frames(20), np.arange(20) % 5 == 0)
    return model, [e.metrics for e in islice(model.train(), epochs)]


@pytest.mark.parametrize(("dtype", "tolerance"), [("float64", 1e-9), ("float32", 1e-3)])
@pytest.mark.parametrize("inference", ["eager", "trace"])
def test_predictions_agree_with_the_cpu(kind, inference, dtype, tolerance, monkeypatch):
    monkeypatch.setattr(network, "_OFTEN", 0)
    model, _ = trained(kind, "cpu", dtype=dtype)
    batch = batch_of(ethanol(), ethanol(1), bulk("C", cubic=True))
    results = []
    for device in ("cpu", "cuda"):
        other = member(kind, device=device, dtype=dtype, inference=inference)
        other.load(model.weights())
        results.append(other.predict(batch))
    for name in ("energy", "forces"):
        a, b = (r.columns[name] for r in results)
        np.testing.assert_allclose(b, a, atol=tolerance)


def test_training_follows_the_cpu(kind):
    (_, cpu), (_, gpu) = trained(kind, "cpu"), trained(kind, "cuda")
    for a, b in zip(cpu, gpu, strict=True):
        assert a["loss"] == pytest.approx(b["loss"], rel=1e-5)


def test_snapshot_goes_on_on_the_other_device(kind):
    model, _ = trained(kind, "cuda")
    moved = member(kind, batch_size=4)
    moved.extend(frames(20), np.arange(20) % 5 == 0)
    moved.restore(model.snapshot())
    a, b = (next(islice(m.train(), 1)) for m in (model, moved))
    assert a.number == b.number
    assert a.metrics["loss"] == pytest.approx(b.metrics["loss"], rel=1e-5)
