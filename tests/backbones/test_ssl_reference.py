"""Hidden states of every layer are those of torchaudio's own models, padding or not."""

from __future__ import annotations

import pytest
import torch
from ssl_factory import FAMILIES, make_speech, make_ssl_model, torchaudio_reference

from espnet_ee.nn.attention import QUERY_CHUNK

SAMPLES = [16000, 5003, 9600, 700]
EVERY_LAYER = [1, 2, 3, 4, 5, 6]


def normalised(family, samples):
    if not FAMILIES[family].get("normalize_waveform"):
        return samples
    return torch.nn.functional.layer_norm(samples, samples.shape)


@pytest.mark.parametrize("family", FAMILIES)
@torch.inference_mode()
def test_every_layer_of_every_utterance(family, tmp_path):
    """One by one: group normalisation makes torchaudio's own batches depend on padding."""
    encoder = make_ssl_model(tmp_path, family, exit_layers=EVERY_LAYER).encoder
    model = torchaudio_reference(encoder)
    speech, lengths = make_speech(SAMPLES)
    exits = list(encoder.walk([(speech, lengths)]))
    for row, samples in enumerate(SAMPLES):
        layers, _ = model.extract_features(normalised(family, speech[row : row + 1, :samples]))
        for exit, wanted in zip(exits, layers, strict=True):
            if encoder.sizes.encoder_layer_norm_first:
                wanted = model.encoder.transformer.layer_norm(wanted)
            got = exit.hidden[row, : exit.lengths[row]]
            torch.testing.assert_close(got, wanted[0], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_a_padded_batch_of_torchaudio(tmp_path):
    """With layer normalisation in the CNN, torchaudio's batches do not depend on padding."""
    encoder = make_ssl_model(tmp_path, "hubert_large", exit_layers=EVERY_LAYER).encoder
    model = torchaudio_reference(encoder)
    speech, lengths = make_speech(SAMPLES)
    padded = torch.zeros_like(speech)
    for row, samples in enumerate(SAMPLES):
        padded[row, :samples] = normalised("hubert_large", speech[row, :samples])
    layers, frames = model.extract_features(padded, lengths)
    for exit, wanted in zip(encoder.walk([(speech, lengths)]), layers, strict=True):
        assert exit.lengths.equal(frames)
        wanted = model.encoder.transformer.layer_norm(wanted)
        for row, n in enumerate(frames.tolist()):
            torch.testing.assert_close(exit.hidden[row, :n], wanted[row, :n], atol=1e-4, rtol=0)


@torch.inference_mode()
def test_torchaudios_group_norm_depends_on_padding(tmp_path):
    """The known exception, pinned: why our CNN sees one utterance at a time."""
    encoder = make_ssl_model(tmp_path, "hubert_base").encoder
    model = torchaudio_reference(encoder)
    speech, lengths = make_speech([16000, 5003])
    speech[1, 5003:] = 0.0
    together, frames = model.extract_features(speech, lengths)
    alone, _ = model.extract_features(speech[1:, :5003])
    assert (together[-1][1, : frames[1]] - alone[-1][0]).abs().max() > 1e-2


@pytest.mark.parametrize("family", ["hubert_base", "wavlm_base"])
@torch.inference_mode()
def test_longer_than_a_chunk_of_queries(family, tmp_path):
    encoder = make_ssl_model(tmp_path, family, exit_layers=EVERY_LAYER).encoder
    samples = 160 * (2 * QUERY_CHUNK + 100)
    speech, lengths = make_speech([samples, samples // 3])
    layers, _ = torchaudio_reference(encoder).extract_features(speech[:1])
    for exit, wanted in zip(encoder.walk([(speech, lengths)]), layers, strict=True):
        assert int(exit.lengths[0]) > 2 * QUERY_CHUNK
        torch.testing.assert_close(exit.hidden[:1], wanted, atol=1e-4, rtol=0)
