"""Cost arithmetic; law 9 compares it with a counter."""

from __future__ import annotations

import math

import pytest

from espnet_ee.cost import LogMelFrontend, UtteranceCost, total_score_flops


def test_the_front_end_by_hand():
    frontend = LogMelFrontend(n_fft=512, hop_length=160, n_mels=80)
    per_frame = 2.5 * 512 * 9 + 3 * 257 + 2 * 257 * 80
    assert frontend.flops(1) == per_frame and frontend.flops(100) == 100 * per_frame


def test_stopping_at_an_exit():
    cost = UtteranceCost(0.5, (1.0, 2.0, 4.0), (0.1, 0.2, 0.4))
    assert [cost.until(k, reads_posteriors=False) for k in range(3)] == pytest.approx(
        [1.1, 2.2, 4.4]
    )
    assert [cost.until(k, reads_posteriors=True) for k in range(3)] == pytest.approx(
        [1.1, 2.3, 4.7]
    )


def test_a_record_is_charged_its_costliest_policy():
    assert total_score_flops([0, 3, 1]) == 3 and total_score_flops([]) == 0


def test_flops_of_an_odd_transform_are_whole():
    flops = LogMelFrontend(n_fft=400, hop_length=160, n_mels=80).flops(7)
    assert isinstance(flops, int)
    assert flops == int(7 * (2.5 * 400 * math.log2(400) + 3 * 201 + 2 * 201 * 80))
