"""Sizes are those of torchaudio's bundles; shipped configurations build at full size."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path

import pytest
import torch
import yaml
from model_factory import TOKENS, make_args

from espnet_ee.host.task import EarlyExitASRTask
from espnet_ee.ssl.architectures import ARCHITECTURES, BUNDLES, find_architecture

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = [
    path
    for path in sorted(ROOT.glob("conf/train_ee_*.yaml"))
    if yaml.safe_load(path.read_text())["encoder"] == "ee_ssl"
]

# Parameters of the published pre-trained encoders, heads of pre-training left out.
MILLIONS = {"hubert_base": 94.37, "wav2vec2_base": 94.37, "wavlm_base_plus": 94.38}


@pytest.mark.parametrize("name", BUNDLES)
def test_sizes_are_those_of_torchaudios_bundles(name):
    import torchaudio

    bundle = getattr(torchaudio.pipelines, name)
    sizes = find_architecture("", {}, name)
    relative = {"encoder_num_buckets": 0, "encoder_max_distance": sizes.encoder_max_distance}
    theirs = {**relative, **bundle._params, "normalize_waveform": bundle._normalize_waveform}
    theirs["extractor_conv_layer_config"] = tuple(theirs["extractor_conv_layer_config"])
    assert asdict(sizes) == {field.name: theirs[field.name] for field in fields(sizes)}
    assert bundle.sample_rate == 16000


def test_every_bundle_of_torchaudio_is_known():
    import torchaudio

    offered = {
        name
        for name in dir(torchaudio.pipelines)
        if name.startswith(("HUBERT", "WAV2VEC2", "WAVLM"))
    }
    assert offered == set(BUNDLES)


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_frames_of_full_size_networks(name):
    sizes = ARCHITECTURES[name]
    assert sizes.frames_of(16000) == 49 and sizes.min_samples == 400
    assert sizes.frames_of(400) == 1 and sizes.frames_of(399) == 0
    assert sizes.frames_of(100) == 0


def test_the_stem_is_more_than_a_third_of_a_base_model():
    """10 s of audio: the CNN takes 33 %, projection and positional convolution another 3 %."""
    sizes = ARCHITECTURES["hubert_base"]
    stem, blocks = sizes.stem_flops(160000), 12 * sizes.block_flops(sizes.frames_of(160000))
    assert stem / (stem + blocks) == pytest.approx(0.366, abs=0.001)


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.name)
def test_configurations_build_at_full_size(path, tmp_path):
    settings = yaml.safe_load(path.read_text())
    bundle = settings["encoder_conf"].pop("checkpoint")
    exits = tuple(settings["encoder_conf"]["exit_layers"])
    settings["encoder_conf"]["architecture"] = BUNDLES[bundle]
    settings |= {"token_list": list(TOKENS), "token_type": "char"}
    model = EarlyExitASRTask.build_model(make_args(tmp_path, settings))
    assert model.encoder.exit_layers == exits
    states = model.encoder.state_dict()
    count = sum(value.numel() for name, value in states.items() if name != "mask_embedding")
    assert count / 1e6 == pytest.approx(MILLIONS[BUNDLES[bundle]], abs=0.01)
    assert not any(p.requires_grad for p in model.encoder.feature_extractor.parameters())
    with torch.inference_mode():
        [*_, last] = model.eval().walk([(torch.zeros(1, 8000), torch.tensor([8000]))])
    assert last.hidden.shape == (1, 24, 768)


def test_there_is_a_configuration_of_each_family():
    assert {path.stem for path in CONFIGS} >= {
        "train_ee_hubert_base",
        "train_ee_wav2vec2_base",
        "train_ee_wavlm_base_plus",
    }
