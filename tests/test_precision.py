"""Products of less than float32's precision: asked for, applied, and near."""

from __future__ import annotations

import argparse

import pytest
import torch
from model_factory import make_recogniser, make_waves

from espnet_ee.policies import build_policy
from espnet_ee.precision import add_precision_option, precision_note, use_precision


@pytest.fixture(autouse=True)
def exact_again():
    yield
    torch.set_float32_matmul_precision("highest")


@pytest.mark.parametrize("dash", ["-", "_"])
def test_the_option_is_spelt_as_the_others(dash):
    parser = argparse.ArgumentParser()
    add_precision_option(parser, dash)
    option = f"--float32{dash}matmul{dash}precision"
    assert parser.parse_args([option, "medium"]).float32_matmul_precision == "medium"
    assert parser.parse_args([]).float32_matmul_precision == "highest"


def test_precision_is_applied_and_noted():
    use_precision("medium")
    assert torch.get_float32_matmul_precision() == "medium"
    assert "medium" in precision_note()
    use_precision("highest")
    assert precision_note() == ""


def test_an_unknown_precision():
    with pytest.raises(ValueError, match="'low' is none of highest, high, medium"):
        use_precision("low")


def test_scores_stay_near(tmp_path):
    asr = make_recogniser(tmp_path / "exp")
    waves, rule = make_waves([16000, 24000]), build_policy("entropy")
    exact = [r.score for r in asr(waves, rule, float("-inf"))]
    use_precision("medium")
    fast = [r.score for r in asr(waves, rule, float("-inf"))]
    assert fast == pytest.approx(exact, rel=0.02, abs=1e-3)
