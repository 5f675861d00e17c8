"""Folders written by ``transformers``, an independent implementation, give its hidden states."""

from __future__ import annotations

import pytest
import torch
from ssl_factory import make_speech

from espnet_ee.host.ssl import EarlyExitSSLEncoder

transformers = pytest.importorskip(
    "transformers", reason="compares with the package transformers, which is not installed"
)

SAMPLES = [16000, 9600, 4000]
FULL = {
    "hubert_base": transformers.HubertModel,
    "wav2vec2_base": transformers.Wav2Vec2Model,
    "wavlm_base": transformers.WavLMModel,
    "hubert_large": transformers.HubertModel,
    "wav2vec2_large_lv60k": transformers.Wav2Vec2Model,
    "wavlm_large": transformers.WavLMModel,
}
LARGE = {
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "do_stable_layer_norm": True,
    "feat_extract_norm": "layer",
}


def make_reference(name, depth):
    """A model of transformers with random weights, norms and biases included."""
    cls = FULL[name]
    changes = {"num_hidden_layers": depth, "attn_implementation": "eager"}
    if "base" not in name:
        changes |= LARGE | {"conv_bias": "lv60k" in name}
    torch.manual_seed(0)
    model = cls(cls.config_class(**changes)).eval()
    with torch.no_grad():
        for key, parameter in model.named_parameters():
            if parameter.ndim == 1 and key.endswith("weight"):
                parameter.uniform_(0.5, 1.5)
            elif parameter.ndim == 1:
                parameter.normal_(0.0, 0.1)
    return model


def deviations(name, depth, folder, safe=True):
    """Largest absolute difference of each layer, over a padded batch of ours against one by one."""
    reference = make_reference(name, depth)
    reference.save_pretrained(folder, safe_serialization=safe)
    encoder = EarlyExitSSLEncoder(
        input_size=1,
        architecture=name,
        architecture_conf={"encoder_num_layers": depth},
        checkpoint=str(folder),
        exit_layers=list(range(1, depth + 1)),
    ).eval()
    encoder.load_pretrained()
    speech, lengths = make_speech(SAMPLES)
    worst = [0.0] * depth
    with torch.inference_mode():
        exits = list(encoder.walk([(speech, lengths)]))
        for row, samples in enumerate(SAMPLES):
            wave = speech[row : row + 1, :samples]
            if encoder.sizes.normalize_waveform:
                wave = torch.nn.functional.layer_norm(wave, wave.shape)
            output = reference(wave, output_hidden_states=True)
            for index, exit in enumerate(exits):
                # Whether the last of its hidden states is normalised differs between releases.
                other = output.hidden_states[index + 1]
                if index == depth - 1:
                    other = output.last_hidden_state
                elif encoder.sizes.encoder_layer_norm_first:
                    other = reference.encoder.layer_norm(other)
                got = exit.hidden[row, : exit.lengths[row]]
                assert got.shape == other[0].shape
                worst[index] = max(worst[index], float((got - other[0]).abs().max()))
    return worst


@pytest.mark.parametrize("name", FULL)
def test_two_blocks(name, tmp_path):
    assert max(deviations(name, 2, tmp_path)) < 1e-4


@pytest.mark.slow
@pytest.mark.parametrize("name", ["hubert_base", "wav2vec2_base", "wavlm_base"])
def test_full_size(name, tmp_path):
    assert max(deviations(name, 12, tmp_path)) < 1e-4
