"""Training's configuration check and averages."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import soundfile
import torch
from model_factory import make_args, make_settings

from espnet_ee.errors import ConfigError
from espnet_ee.host.compat import Reporter, Trainer
from espnet_ee.host.task import (
    EarlyExitASRTask,
    EarlyExitTrainer,
    average_each,
    check_config_keys,
)

# Epoch -> (cer, loss): the two criteria rank the epochs differently.
SCORES = {1: (0.9, 1.0), 2: (0.3, 3.0), 3: (0.5, 2.0), 4: (0.4, 4.0)}
BY_CER, BY_LOSS = [2, 4, 3, 1], [1, 3, 2, 4]
CRITERIA = [("valid", "cer_ctc", "min"), ("valid", "loss", "min")]


def states_of(epoch):
    weight = torch.tensor([1.0, 10.0]) ** epoch
    return {"weight": weight, "norm.num_batches_tracked": torch.tensor(epoch)}


@pytest.fixture
def exp(tmp_path):
    return make_epochs(tmp_path, SCORES)


def make_epochs(folder, scores):
    reporter = Reporter()
    for epoch, (cer, loss) in scores.items():
        reporter.set_epoch(epoch)
        with reporter.observe("valid") as sub:
            sub.register({"cer_ctc": cer, "loss": loss}, weight=1)
            sub.next()
        torch.save(states_of(epoch), folder / f"{epoch}epoch.pth")
    torch.save({"reporter": reporter.state_dict()}, folder / "checkpoint.pth")
    return folder


@pytest.mark.parametrize("sizes", [[2, 3], [3, 2]])
def test_every_average_is_the_mean_of_its_own_epochs(sizes, exp):
    """ESPnet 202511 adds each average into the states of the one before."""
    average_each(exp, CRITERIA, sizes)
    for name, ranking in (("cer_ctc", BY_CER), ("loss", BY_LOSS)):
        for n in (2, 3):
            average = torch.load(exp / f"valid.{name}.ave_{n}best.pth", weights_only=True)
            chosen = [states_of(epoch) for epoch in ranking[:n]]
            mean = torch.stack([states["weight"] for states in chosen]).mean(0)
            torch.testing.assert_close(average["weight"], mean)
            # ESPnet adds counters up.
            assert average["norm.num_batches_tracked"] == sum(ranking[:n])
        assert (exp / f"valid.{name}.ave.pth").resolve().name == f"valid.{name}.ave_3best.pth"
    for epoch in SCORES:
        torch.testing.assert_close(
            torch.load(exp / f"{epoch}epoch.pth", weights_only=True), states_of(epoch)
        )


def test_one_number_is_one_average(exp):
    average_each(exp, CRITERIA[:1], 2)
    assert (exp / "valid.cer_ctc.ave.pth").resolve().name == "valid.cer_ctc.ave_2best.pth"
    assert not (exp / "valid.loss.ave.pth").exists()


def test_fewer_epochs_than_asked_for(tmp_path):
    """The link stands for the largest average there is."""
    exp = make_epochs(tmp_path, {1: SCORES[1], 2: SCORES[2]})
    average_each(exp, CRITERIA[:1], [2, 3])
    assert (exp / "valid.cer_ctc.ave.pth").resolve().name == "valid.cer_ctc.ave_2best.pth"


def test_nothing_to_average(tmp_path):
    average_each(tmp_path, CRITERIA, [2])
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(scope="module")
def parser():
    return EarlyExitASRTask.get_parser()


def check(parser, folder, text):
    path = folder / "train.yaml"
    path.write_text(text, encoding="utf-8")
    check_config_keys(parser, ["--ngpu", "0", "--config", str(path), "--max_epoch", "3"])


def test_known_keys_pass(parser, tmp_path):
    check(
        parser, tmp_path, "encoder: ee_conformer\nfloat32_matmul_precision: medium\nmax_epoch: 3\n"
    )
    check_config_keys(parser, ["--ngpu", "0"])


def test_unknown_keys_are_all_reported_with_the_nearest(parser, tmp_path):
    with pytest.raises(ConfigError) as error:
        check(parser, tmp_path, "max_epochs: 3\nencoder: ee_conformer\nqwertzuiop: 1\n")
    lines = str(error.value).splitlines()
    assert lines[0].endswith("train.yaml has keys that no option reads.")
    assert lines[1] == "  got:  max_epochs (did you mean max_epoch?), qwertzuiop"
    assert lines[2] == "  fix:  correct or remove them"


@pytest.mark.parametrize(
    ("text", "message"),
    [("a: [", "is not YAML"), ("- a\n", "is not a mapping"), ("", "not a mapping")],
)
def test_what_is_no_configuration(text, message, parser, tmp_path):
    with pytest.raises(ConfigError, match=message):
        check(parser, tmp_path, text)


def test_a_missing_configuration(parser):
    with pytest.raises(ConfigError, match=r"no\.yaml does not exist"):
        check_config_keys(parser, ["--config", "no.yaml"])


@pytest.mark.parametrize(
    ("ngpu", "distributed", "fits"), [(2, False, False), (2, True, True), (1, False, True)]
)
def test_several_gpus_want_a_process_each(ngpu, distributed, fits, monkeypatch):
    trained, left = [], []
    monkeypatch.setattr(Trainer, "run", lambda **_: trained.append(True))
    monkeypatch.setattr("os._exit", lambda code: left.append(code))
    options = SimpleNamespace(
        ngpu=ngpu, output_dir="nowhere", best_model_criterion=[], keep_nbest_models=1
    )
    given = {
        "trainer_options": options,
        "model": None,
        "distributed_option": SimpleNamespace(distributed=distributed, dist_rank=1),
    }
    if fits:
        EarlyExitTrainer.run(**given)
    else:
        with pytest.raises(ConfigError, match="want a process each"):
            EarlyExitTrainer.run(**given)
    assert bool(trained) == fits
    assert left == [0] * distributed  # the second of two processes


def test_noise_and_room_responses_reach_training_and_nothing_else(tmp_path):
    """The options are ESPnet's: noise 20 dB below other noise, a room that answers late."""
    wave = 0.4 * np.sin(np.arange(8_000) / 5).astype(np.float32)
    generator = np.random.default_rng(0)
    soundfile.write(tmp_path / "noise.wav", 0.1 * generator.standard_normal(16_000), 16_000)
    soundfile.write(tmp_path / "room.wav", np.eye(1, 200, 10).ravel() / 2, 16_000)
    for name in ("noise", "room"):
        (tmp_path / f"{name}.scp").write_text(f"{name} {tmp_path}/{name}.wav\n")

    def training_audio(train=True, **changes):
        args = make_args(tmp_path, make_settings(use_preprocessor=True, **changes))
        preprocess = EarlyExitASRTask.build_preprocess_fn(args, train)
        return preprocess("u", {"speech": wave.copy(), "text": "A"})["speech"].reshape(-1)

    noise = {"noise_scp": str(tmp_path / "noise.scp"), "noise_apply_prob": 1.0}
    room = {"rir_scp": str(tmp_path / "room.scp"), "rir_apply_prob": 1.0}
    np.testing.assert_array_equal(training_audio(), wave)
    strong, weak = (
        ((training_audio(**noise, noise_db_range=snr) - wave) ** 2).mean() for snr in ("20", "40")
    )
    assert 10 * np.log10(strong / weak) == pytest.approx(20, abs=0.5)
    assert np.abs(training_audio(**room) - wave).max() > 0.01
    np.testing.assert_array_equal(training_audio(train=False, **noise, **room), wave)
