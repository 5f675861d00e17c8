"""At full size, files of every format give torchaudio's hidden states at every layer."""

from __future__ import annotations

import pytest
import torch
from checkpoint_writers import fairseq_states, save_fairseq, save_huggingface, wavlm_config
from ssl_factory import make_speech, randomise_ssl, torchaudio_reference

from espnet_ee.host.ssl import EarlyExitSSLEncoder

SAMPLES = [16000, 9600, 4000]
# Large ones with few blocks: all of theirs are alike.
DEPTHS = {
    "hubert_base": 12,
    "wav2vec2_base": 12,
    "wavlm_base": 12,
    "wav2vec2_large": 2,
    "hubert_large": 2,
    "wav2vec2_large_lv60k": 2,
    "wavlm_large": 2,
    "hubert_xlarge": 2,
}


def save(kind, source, reference, folder):
    if kind == "torchaudio":
        torch.save(reference.state_dict(), folder / "model.pth")
        return folder / "model.pth"
    if kind == "huggingface":
        save_huggingface(folder, source)
        return folder
    if source.sizes.encoder_num_buckets:
        content = {"cfg": wavlm_config(source), "model": fairseq_states(source)}
        torch.save(content, folder / "model.pt")
    else:
        save_fairseq(folder / "model.pt", source)
    return folder / "model.pt"


@torch.inference_mode()
def hidden_states(model, sizes, speech):
    """``(T, D)`` of each layer, as our exits give them, one utterance after the other."""
    rows = []
    for row, samples in enumerate(SAMPLES):
        wave = speech[row : row + 1, :samples]
        if sizes.normalize_waveform:
            wave = torch.nn.functional.layer_norm(wave, wave.shape)
        layers, _ = model.extract_features(wave)
        if sizes.encoder_layer_norm_first:
            layers = [model.encoder.transformer.layer_norm(hidden) for hidden in layers]
        rows.append([hidden[0] for hidden in layers])
    return rows


@pytest.mark.slow
@pytest.mark.parametrize("name", DEPTHS)
def test_hidden_states_of_every_format(name, tmp_path):
    conf = {"architecture": name, "architecture_conf": {"encoder_num_layers": DEPTHS[name]}}
    source = EarlyExitSSLEncoder(1, **conf)
    randomise_ssl(source)
    reference = torchaudio_reference(source)
    speech, lengths = make_speech(SAMPLES)
    wanted = hidden_states(reference, source.sizes, speech)
    for kind in ("torchaudio", "fairseq", "huggingface"):
        path = save(kind, source, reference, tmp_path)
        exits = list(range(1, DEPTHS[name] + 1))
        encoder = EarlyExitSSLEncoder(1, **conf, checkpoint=str(path), exit_layers=exits).eval()
        encoder.load_pretrained()
        with torch.inference_mode():
            for index, exit in enumerate(encoder.walk([(speech, lengths)])):
                for row, n in enumerate(exit.lengths.tolist()):
                    torch.testing.assert_close(
                        exit.hidden[row, :n], wanted[row][index], atol=1e-4, rtol=0
                    )
