"""Cost arithmetic; law 9 compares it with a counter."""

from __future__ import annotations

import math

import pytest

from espnet_ee.cost import LogMelFrontend, UtteranceCost, costliest_score_flops


def test_the_front_end_by_hand():
    frontend = LogMelFrontend(n_fft=512, hop_length=160, n_mels=80)
    per_frame = 2.5 * 512 * 9 + 3 * 257 + 2 * 257 * 80
    assert frontend.flops(1) == per_frame and frontend.flops(100) == 100 * per_frame


def test_stopping_at_an_exit():
    cost = UtteranceCost(0.5, (1.0, 2.0, 4.0), (0.1, 0.2, 0.4), 0.01)
    assert [cost.until(k, reads_posteriors=False) for k in range(3)] == pytest.approx(
        [1.11, 2.22, 4.43]
    )
    assert [cost.until(k, reads_posteriors=True) for k in range(3)] == pytest.approx(
        [1.11, 2.32, 4.73]
    )


def test_a_run_scores_by_one_policy_at_most_the_costliest():
    assert costliest_score_flops([0, 3, 1]) == 3 and costliest_score_flops([]) == 0


def test_flops_of_an_odd_transform_are_whole():
    flops = LogMelFrontend(n_fft=400, hop_length=160, n_mels=80).flops(7)
    assert isinstance(flops, int)
    assert flops == int(7 * (2.5 * 400 * math.log2(400) + 3 * 201 + 2 * 201 * 80))
