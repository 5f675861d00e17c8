"""Law 9: analytic FLOPs are those that ``torch.utils.flop_counter`` sees under maths attention."""

from __future__ import annotations

import pytest
import torch
from model_factory import ABSOLUTE, HEAD_CONFS, make_features, make_recogniser, make_waves
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.heads import BiLSTMHead
from espnet_ee.host.checkpoint import load_model
from espnet_ee.nn.attention import QUERY_CHUNK, RelativeSelfAttention, SelfAttention
from espnet_ee.nn.positions import Positions
from espnet_ee.nn.stems import STEM_NAMES
from espnet_ee.policies import build_policy, policy_names

VARIANTS = {
    **{stem: {"input_layer": stem} for stem in STEM_NAMES},
    "abs_pos": ABSOLUTE,
    "macaron concat_after": {"macaron_style": True, "concat_after": True},
    "no cnn": {"use_cnn_module": False},
    "stem_channels": {"stem_channels": 7},
    "half rate": {"half_rate_layers": [2, 6]},
}
SETTINGS = {name: {"encoder_conf": conf} for name, conf in VARIANTS.items()} | {
    "transformer": {"encoder": "ee_transformer", "encoder_conf": {"concat_after": True}},
    "e_branchformer": {
        "encoder": "ee_e_branchformer",
        "encoder_conf": {"use_linear_after_conv": True},
    },
    "attention heads": {"model_conf": HEAD_CONFS["attention"]},
    "normalised heads": {"model_conf": HEAD_CONFS["linear_norm"]},
}


@pytest.fixture(scope="module", params=SETTINGS.values(), ids=SETTINGS)
def asr(request, tmp_path_factory):
    """Counts, and a copy of the model with linear layers that the counter knows."""
    asr = make_recogniser(tmp_path_factory.mktemp("cost"), **request.param)
    asr.model = load_model(asr.loaded.config, asr.loaded.checkpoint).model
    return asr


def counted(function) -> int:
    with (
        FlopCounterMode(display=False) as counter,
        sdpa_kernel(SDPBackend.MATH),
        torch.inference_mode(),
    ):
        function()
    return counter.get_total_flops()


@pytest.mark.parametrize("samples", [3900, 16000, 40001])
@torch.inference_mode()
def test_each_exit_from_the_waveform(samples, asr):
    speech = torch.from_numpy(make_waves([samples])[0])[None]
    model, reference = asr.model, asr.cost_model([build_policy("layer")])
    features, lengths = model.speech_features(speech, torch.tensor([samples]))
    frames = int(lengths)
    cost = reference.utterance(frames)
    # The counter sees the product with the mel matrix, and neither the transform nor its power.
    unseen = asr.frontend.flops(frames) - 2 * frames * 257 * asr.frontend.n_mels
    for index, layer in enumerate(asr.exit_layers):

        def up_to_here(layer=layer):
            features, lengths = model.speech_features(speech, torch.tensor([samples]))
            for exit in model.walk([(features, lengths)]):
                if exit.layer == layer:
                    return

        assert counted(up_to_here) + unseen == round(cost.body_gflops[index] * 1e9)
    exits = list(model.walk([(features, lengths)]))
    for exit, head in zip(exits, cost.head_gflops, strict=True):
        assert counted(lambda exit=exit: model.exit_log_probs(exit)) == round(head * 1e9)
    assert cost.floor_gflops * 1e9 == counted(lambda: _stem(model, speech)) + unseen


def _stem(model, speech):
    features, lengths = model.speech_features(speech, torch.tensor([speech.shape[1]]))
    model.encoder.stem_frames(features, lengths)


def test_longer_than_a_chunk_of_queries(tmp_path):
    asr = make_recogniser(tmp_path, encoder_conf={"num_blocks": 2, "exit_layers": [1]})
    model = load_model(asr.loaded.config, asr.loaded.checkpoint).model
    features, lengths = make_features([8 * (QUERY_CHUNK + 100) + 15])
    assert model.encoder.frames_of(int(lengths)) > QUERY_CHUNK
    flops = counted(lambda: list(model.walk([(features, lengths)])))
    cost = asr.cost_model([]).utterance(int(lengths))
    assert flops == round(cost.body_gflops[-1] * 1e9) - asr.frontend.flops(int(lengths))


@pytest.mark.parametrize("kind", [SelfAttention, RelativeSelfAttention])
@pytest.mark.parametrize("frames", [1, 37, QUERY_CHUNK, QUERY_CHUNK + 1, 2 * QUERY_CHUNK + 200])
def test_the_attention_term(kind, frames):
    attention = kind(8, 2, 0.0)
    hidden = torch.randn(1, frames, 8)
    distances = Positions(8, True, 0.0).distances(hidden)
    assert counted(lambda: attention(hidden, distances, None)) == attention.flops(frames)


def test_the_quadratic_term_is_there():
    """Fused attention counts as 0 on CPUs: a count without maths attention would miss it."""
    short, long = (SelfAttention(8, 2, 0.0).flops(frames) for frames in (100, 200))
    assert long - 2 * short == 2 * 2 * 8 * (200**2 - 2 * 100**2)


def test_what_a_run_pays(asr):
    cost = asr.cost_model([build_policy("entropy")]).utterance(500)
    body, head = cost.body_gflops, cost.head_gflops
    scored = head[0] + head[1] + 2 * cost.score_gflops
    assert cost.until(1, reads_posteriors=True) == pytest.approx(body[1] + scored)
    blind = head[1] + 2 * cost.score_gflops
    assert cost.until(1, reads_posteriors=False) == pytest.approx(body[1] + blind)
    assert 0 < cost.floor_gflops < body[0] < body[1] < body[2]


@pytest.mark.parametrize("policy", policy_names())
def test_scoring_costs_by_policy(policy, asr):
    rule = asr.policy(policy)
    frames, width = asr.model.encoder.frames_of(500), asr.model.encoder.output_size()
    per_frame = rule.score_flops_per_posterior * len(asr.token_list)
    per_frame += rule.score_flops_per_hidden * width
    if policy == "clusters":  # a linear layer of five outputs, and their entropy
        per_frame = 5 * 2 * width + 5 * 3
    cost = asr.cost_model([rule]).utterance(500)
    assert cost.score_gflops * 1e9 == pytest.approx(per_frame * frames)
    assert cost.head_gflops == asr.cost_model([]).utterance(500).head_gflops


@pytest.mark.parametrize("stem", ["dwconv4", "dwconv8", "conv1d"])
def test_the_floor_of_a_light_stem_is_under_12_percent(stem):
    """Of the full depth of a 12-block encoder of ordinary size, counted from the waveform."""
    from espnet_ee.cost import LogMelFrontend
    from espnet_ee.host.conformer import EarlyExitConformerEncoder

    encoder = EarlyExitConformerEncoder(
        80, num_blocks=12, macaron_style=True, input_layer=stem, exit_layers=[6]
    )
    frames = 1000  # 10 s
    blocks = [encoder.block_flops(n, encoder.frames_of(frames)) for n in range(1, 13)]
    floor = encoder.stem_flops(frames) + LogMelFrontend(512, 160, 80).flops(frames)
    assert floor / (floor + sum(blocks)) < 0.12


def test_a_recurrent_head_costs_its_steps():
    """The counter does not know the fused LSTM: the same steps by cells stand in for it."""
    head = BiLSTMHead(16, 30, units=10)
    frames, cell = 9, torch.nn.LSTMCell(16, 10)

    def both_directions():
        for _ in range(2 * frames):
            cell(torch.zeros(1, 16))
        head.linear(torch.zeros(frames, 20))

    assert counted(both_directions) == head.flops(frames)
