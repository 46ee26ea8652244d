"""Which samples are held out."""

from __future__ import annotations

import numpy as np
import pytest

from pal_core.builtin.schema import SAMPLE
from pal_core.policies.holding_out import by_content, by_number
from pal_core.store.tables import digest, pack

DIGESTS = [digest(pack(SAMPLE, {"x": [k, 0.5]})) for k in range(5000)]

HELD_OUT = [3, 21, 29, 36, 55, 56]
HELD_OUT_BY_NUMBER = [10, 29, 30, 41, 45, 70]


def test_side_depends_on_the_sample_alone():
    mask = by_content(DIGESTS, 0.2)
    for part in (DIGESTS[::-1], DIGESTS[100:], DIGESTS[3::7]):
        places = [DIGESTS.index(d) for d in part]
        np.testing.assert_array_equal(by_content(part, 0.2), mask[places])


def test_side_is_what_it_was_in_earlier_versions():
    assert by_content(DIGESTS[:400], 0.1).nonzero()[0].tolist()[:6] == HELD_OUT
    assert by_number(7, 0.1, range(1, 100)).nonzero()[0].tolist()[:6] == HELD_OUT_BY_NUMBER


@pytest.mark.parametrize("rule", [by_content, lambda keys, share: by_number(7, share, range(len(keys)))])
class TestShare:
    def test_larger_share_holds_out_the_same_and_more(self, rule):
        small, large = (rule(DIGESTS, share) for share in (0.1, 0.3))
        assert not (small & ~large).any()
        assert large.sum() > small.sum()

    @pytest.mark.parametrize("share", [0.0, 0.1, 0.5])
    def test_share_is_about_right(self, rule, share):
        found = rule(DIGESTS, share).mean()
        assert found == pytest.approx(share, abs=0.03)
        assert share > 0 or found == 0

    def test_no_samples_make_an_empty_mask(self, rule):
        assert rule([], 0.5).shape == (0,)


def test_other_seeds_held_out_others():
    one, other = (by_number(seed, 0.5, range(1000)) for seed in (1, 2))
    assert 300 < (one != other).sum() < 700
