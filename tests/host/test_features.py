"""Features made alone and in pieces are ESPnet's own."""

import pytest
import torch
from model_factory import make_features, make_waves

from espnet_ee.host.compat import DefaultFrontend, GlobalMVN
from espnet_ee.host.features import PIECE_FRAMES, extract_alone, normalise


@pytest.mark.parametrize("seconds", [0.1, 1.0, 25.0])
def test_features_are_those_of_the_front_end(seconds):
    frontend = DefaultFrontend(hop_length=160, n_mels=40)
    [wave] = make_waves([int(16000 * seconds)])
    speech, lengths = torch.tensor(wave)[None], torch.tensor([len(wave)])
    wanted, wanted_lengths = frontend(speech, lengths)
    features, frames = extract_alone(frontend, speech, lengths)
    assert frames.tolist() == wanted_lengths.tolist() == [features.shape[1]]
    torch.testing.assert_close(features, wanted)


@pytest.fixture
def global_mvn(tmp_path):
    generator = torch.Generator().manual_seed(0)
    count, mean = 100.0, torch.rand(40, generator=generator)
    square = mean.square() + torch.rand(40, generator=generator)
    import numpy as np

    path = tmp_path / "stats.npz"
    np.savez(path, count=count, sum=mean.numpy() * count, sum_square=square.numpy() * count)
    return GlobalMVN(path)


@pytest.mark.parametrize("lengths", [[50], [300, 120], [PIECE_FRAMES + 7, PIECE_FRAMES, 30]])
def test_normalising_in_pieces_changes_nothing(global_mvn, lengths):
    features, frames = make_features(lengths)
    wanted, _ = global_mvn(features.clone(), frames)
    given = features.clone()
    torch.testing.assert_close(normalise(global_mvn, given, frames), wanted)
    torch.testing.assert_close(given, features)


def test_masks_of_specaugment_are_the_mean_of_normalised_features(tmp_path):
    from model_factory import make_model

    masks = {"apply_time_warp": False, "freq_mask_width_range": [20, 21], "apply_time_mask": False}
    model = make_model(tmp_path, specaug="specaug", specaug_conf=masks).train()
    [wave] = make_waves([16000])
    speech, lengths = torch.tensor(wave)[None], torch.tensor([len(wave)])
    features, _ = model.speech_features(speech, lengths)
    masked = (features == 0).all(dim=1)  # (1, F): whole bands
    assert 20 <= int(masked.sum()) <= 40
    untouched, _ = model.eval().speech_features(speech, lengths)
    assert not (untouched == 0).all(dim=1).any()
