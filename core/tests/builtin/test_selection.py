"""What the built-in selections decide, and the finite check."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import ValidationError

from pal_core.builtin.check import Finite
from pal_core.builtin.selection import All, Random, Threshold, finite_samples
from pal_core.builtin.selection_options import RandomOptions, ThresholdOptions
from pal_core.data import Batch, Committee, Field, Schema, SchemaError
from pal_core.kernels import Context
from pal_core.options import KernelOptions

SAMPLE = Schema([Field("numbers", "int32", ("atoms",)), Field("positions", "float64", ("atoms", 3))])
PREDICTED = Schema([Field("energy", "float64", ()), Field("forces", "float64", ("atoms", 3))])
CONTEXT = Context("selection", seed=1)


def judged(spreads, energies=None):
    """One atom per sample; two members whose force on it is off by `spread` times sqrt(2), so that std = spread."""
    n = len(spreads)
    offsets = np.arange(n + 1)
    batch = Batch(SAMPLE, {"numbers": np.ones(n, int), "positions": np.zeros((n, 3))}, offsets)
    forces = np.zeros((n, 3))
    forces[:, 1] = np.sqrt(2) * np.array(spreads)
    energy = np.zeros(n) if energies is None else np.array(energies, float)
    members = [Batch(PREDICTED, {"energy": energy, "forces": f}, offsets) for f in (forces, np.zeros((n, 3)))]
    return batch, Committee(members, version=1)


def threshold(**options):
    return Threshold(ThresholdOptions(field="forces", **options), CONTEXT)


def test_threshold_labels_above_and_trusts_up_to_the_limit():
    decision = threshold(upper=0.5).select(*judged([0.1, 0.9, 0.4]))
    assert decision.label.tolist() == [False, True, False]
    assert decision.trust.tolist() == [True, False, True]
    np.testing.assert_allclose(decision.score, [0.1, 0.9, 0.4])


def test_threshold_uses_the_reduction():
    scores = {r: threshold(upper=1, reduction=r).select(*judged([0.9])).score[0] for r in ("max", "mean", "rms")}
    assert scores == pytest.approx({"max": 0.9, "mean": 0.3, "rms": 0.9 / np.sqrt(3)})


def test_threshold_gives_up_beyond_the_second_limit():
    decision = threshold(upper=0.5, giveup=2).select(*judged([0.1, 0.9, 3.0]))
    assert decision.label.tolist() == [False, True, False]
    assert decision.trust.tolist() == [True, False, False]


@pytest.mark.parametrize("giveup", [None, 2.0])
def test_prediction_that_is_not_finite_is_labelled_but_not_trusted(giveup):
    subject = threshold(upper=0.5, giveup=giveup)
    decision = subject.select(*judged([np.nan, np.inf, 0.1, 0.1], energies=[0, 0, np.nan, 0]))
    assert decision.label.tolist() == [True, True, True, False]
    assert decision.trust.tolist() == [False, False, False, True]


@pytest.mark.parametrize("subject", [threshold(upper=0.5), Random(RandomOptions(share=1), CONTEXT), All(None, CONTEXT)])
def test_sample_that_is_not_finite_is_not_labelled(subject):
    batch, committee = judged([0.9, 0.9, 0.9])
    batch.columns["positions"][1, 2] = np.inf
    assert subject.select(batch, committee).label.tolist() == [True, False, True]


def test_committee_of_one_is_never_trusted_by_the_threshold():
    batch, committee = judged([0.0, 0.0])
    decision = threshold(upper=0.5).select(batch, Committee(committee.members[:1]))
    assert decision.label.all()
    assert not decision.trust.any()


def test_threshold_reranks_by_falling_uncertainty_and_drops_the_certain():
    assert threshold(upper=0.5).rerank(*judged([0.6, 0.1, 0.9, np.nan])).tolist() == [3, 2, 0]


def test_unknown_field_is_named_with_what_there_is():
    subject = Threshold(ThresholdOptions(field="force", upper=1), CONTEXT)
    with pytest.raises(SchemaError) as caught:
        subject.select(*judged([0.1]))
    assert str(caught.value) == (
        "pal.threshold wants the predicted field 'force', the model predicts energy, forces: "
        "set options.field of [selection] to one of these"
    )


def test_threshold_states_the_field_it_needs():
    assert ThresholdOptions(field="forces", upper=1).needs_fields() == ("forces",)


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (
            {"field": "forces", "upper": 1, "giveup": 1},
            "giveup = 1 leaves nothing to label: it must be above",
        ),
        ({"field": "forces", "upper": 0}, "greater than 0"),
        ({"field": "forces", "upper": 1, "reduction": "median"}, "'max', 'mean' or 'rms'"),
        ({"upper": 1}, "Field required"),
    ],
)
def test_threshold_options_that_make_no_sense_are_refused(options, complaint):
    with pytest.raises(ValidationError, match=complaint):
        ThresholdOptions(**options)


def test_random_labels_the_share_and_trusts_what_is_finite():
    batch, committee = judged([0.1] * 3999 + [np.nan])
    decision = Random(RandomOptions(share=0.25), CONTEXT).select(batch, committee)
    assert abs(decision.label.mean() - 0.25) < 0.03  # four standard deviations
    assert decision.trust.tolist() == [True] * 3999 + [False]
    assert decision.score[decision.label].min() > decision.score[~decision.label].max()


def test_random_draws_the_same_whatever_the_batches():
    batch, committee = judged([0.1] * 10)
    whole = Random(RandomOptions(share=0.5), CONTEXT).select(batch, committee).score
    subject = Random(RandomOptions(share=0.5), CONTEXT)
    parts = [
        subject.select(batch.slice(a, b), Committee([m.slice(a, b) for m in committee.members])).score
        for a, b in ((0, 3), (3, 10))
    ]
    np.testing.assert_array_equal(np.concatenate(parts), whole)


@pytest.mark.parametrize("subject", [Random(RandomOptions(share=0.01), CONTEXT), All(KernelOptions(), CONTEXT)])
def test_queue_keeps_its_order_where_uncertainty_does_not_count(subject):
    assert subject.rerank(*judged([0.6, 0.1, 0.9])).tolist() == [0, 1, 2]


def test_finite_samples_agrees_with_a_loop():
    rng = np.random.default_rng(0)
    schema = Schema([Field("e", "float32"), Field("f", "float64", ("atoms", 2)), Field("n", "int32", ("atoms",))])
    counts = rng.integers(0, 4, 50)
    offsets = np.concatenate([[0], np.cumsum(counts)])
    f = rng.choice([0.0, 1.0, np.nan, np.inf, -np.inf], (offsets[-1], 2), p=[0.5, 0.35, 0.05, 0.05, 0.05])
    e = rng.choice([0.0, np.nan], 50, p=[0.9, 0.1])
    batch = Batch(schema, {"e": e, "f": f, "n": np.ones(len(f), int)}, offsets)
    wanted = [all(np.isfinite(v).all() for v in sample.values()) for sample in batch]
    assert 0 < sum(wanted) < 50
    assert finite_samples(batch).tolist() == wanted


def test_finite_check_counts_what_is_wrong():
    forces = np.zeros((9, 3))
    forces[2, 1], forces[4] = np.nan, np.inf
    reason = Finite(KernelOptions(), Context("check")).check({}, {"energy": np.array(1.0), "forces": forces}, None)
    assert reason == "forces: 4 of 27 values are not finite"
