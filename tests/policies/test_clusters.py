"""Guesses at clusters: by hand, fitted to states that have clusters, from files and a command."""

from __future__ import annotations

import math

import numpy as np
import pytest
import soundfile
import torch
from model_factory import make_experiment, make_waves

from espnet_ee.bin.main import main
from espnet_ee.clusters import CLUSTERS_NAME, Clusters
from espnet_ee.errors import ConfigError, DataError
from espnet_ee.policies import Evidence, Resources, build_policy


def score(clusters, hidden, lengths, index=0):
    policy = build_policy("clusters").bind(Resources(str, clusters=clusters))
    rows = torch.arange(len(hidden))
    return policy.score(Evidence(index, 2, None, torch.tensor(lengths), rows, hidden), []).tolist()


def test_entropy_of_the_guesses_by_hand():
    weights = np.array([[[1.0, 0.0], [0.0, 1.0]]], dtype=np.float32)
    clusters = Clusters((2,), weights, np.zeros((1, 2), dtype=np.float32))
    hidden = torch.tensor([[[0.0, 0.0], [100.0, 0.0]], [[math.log(3.0), 0.0], [math.nan] * 2]])
    three_to_one = 0.75 * math.log(0.75) + 0.25 * math.log(0.25)
    assert score(clusters, hidden, [2, 1]) == pytest.approx([-math.log(2) / 2, three_to_one])


@pytest.mark.parametrize("count", [2, 4])
def test_an_exit_that_sees_the_clusters_is_surer_than_one_that_does_not(count):
    rng = np.random.default_rng(0)
    labels = np.arange(40 * count) % count
    centres = 6.0 * np.eye(8)[labels]
    deep = centres + rng.normal(size=centres.shape)
    shallow = 0.1 * centres + rng.normal(size=centres.shape)
    hidden = np.stack([shallow, deep]).astype(np.float32)
    clusters = Clusters.fit((2, 4), hidden, count)
    assert clusters.count == count and clusters.weights.shape == (2, count, 8)
    states = torch.from_numpy(hidden)
    low, high = (score(clusters, states[e][None], [len(labels)], e)[0] for e in (0, 1))
    assert -math.log(count) < low < high - 0.1 and high > -0.2


def test_too_little_audio_is_refused():
    with pytest.raises(DataError, match="49 frames, 5 clusters"):
        Clusters.fit((2,), np.zeros((1, 49, 3), dtype=np.float32), 5)


def test_the_command_and_its_file(tmp_path, capsys):
    exp = make_experiment(tmp_path / "exp")
    random = Clusters.find(exp)
    for number, wave in enumerate(make_waves([16000, 24000, 30000])):
        soundfile.write(tmp_path / f"{number}.wav", wave, 16000, subtype="FLOAT")
    lines = [f"u{number} {tmp_path / f'{number}.wav'}\n" for number in range(3)]
    (tmp_path / "wav.scp").write_text("".join(lines))
    words = ["clusters", "--wav_scp", str(tmp_path / "wav.scp"), "--exp", str(exp)]
    assert main([*words, "--num_clusters", "4"]) == 0
    assert "4 clusters at (2, 4, 6)" in capsys.readouterr().out
    fitted = Clusters.find(exp)
    assert fitted.layers == (2, 4, 6) and fitted.count == 4 != random.count
    assert main(words) == 1 and "Too little audio" in capsys.readouterr().err
    assert main(["recognize", "--exp", str(exp), "--policy", "clusters", "--threshold", "-0.5",
                 str(tmp_path / "0.wav")]) == 0  # fmt: skip


def test_a_damaged_file_is_refused(tmp_path):
    assert Clusters.find(tmp_path) is None
    for content in (b"", b"PK nothing", b"text"):
        (tmp_path / CLUSTERS_NAME).write_bytes(content)
        with pytest.raises(DataError, match=r"clusters.npz cannot be read"):
            Clusters.find(tmp_path)


def test_clusters_of_other_exits_are_refused(tmp_path):
    exp = make_experiment(tmp_path / "exp")
    Clusters((6,), np.zeros((1, 3, 16), np.float32), np.zeros((1, 3), np.float32)).save(
        exp / CLUSTERS_NAME
    )
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    with pytest.raises(ConfigError, match=r"other exits(.|\n)*got: +6(.|\n)*want: +2, 4, 6"):
        EarlyExitSpeech2Text.from_exp(exp)
