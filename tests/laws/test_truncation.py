"""Law 2: exit k of the full model is the k-block model with the same weights."""

from __future__ import annotations

import pytest
import torch
from law_tools import truncated
from model_factory import ABSOLUTE, make_features, make_model

OPTIONS = {
    "own heads": {},
    "shared head": {"model_conf": {"exit_heads": "shared"}},
    "macaron": {"encoder_conf": {"macaron_style": True}},
    "post-norm": {"encoder_conf": {"normalize_before": False}},
    "absolute": {"encoder_conf": ABSOLUTE},
    "transformer": {"encoder": "ee_transformer"},
    "e_branchformer": {"encoder": "ee_e_branchformer"},
    "half rate": {"encoder_conf": {"half_rate_layers": [2, 4]}},
}


@pytest.fixture(scope="module", params=OPTIONS.values(), ids=OPTIONS)
def full_and_changes(request, tmp_path_factory):
    return make_model(tmp_path_factory.mktemp("full"), **request.param), request.param


@pytest.mark.parametrize("layer", [2, 4])
def test_exit_k_is_the_k_block_model(layer, full_and_changes, tmp_path):
    full, changes = full_and_changes
    shorter = {**changes.get("encoder_conf", {}), "num_blocks": layer}
    shorter["exit_layers"] = sorted({2, layer})
    if "half_rate_layers" in shorter:
        shorter["half_rate_layers"] = shorter["exit_layers"]
    small = make_model(tmp_path, seed=1, **{**changes, "encoder_conf": shorter})
    small.load_state_dict(truncated(full.state_dict(), layer))
    features, lengths = make_features([61, 150, 99])
    with torch.inference_mode():
        walked = {exit.layer: exit for exit in full.walk([(features, lengths)])}
        *_, last = small.walk([(features, lengths)])
        assert last.last and last.layer == layer
        torch.testing.assert_close(walked[layer].hidden, last.hidden)
        torch.testing.assert_close(
            full.exit_log_probs(walked[layer]), small.exit_log_probs(last), atol=1e-5, rtol=1e-5
        )
