"""Bad input through the commands: one clear error, exit code 1, the other files decoded."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
import yaml
from model_factory import make_experiment, make_waves

from espnet_ee.bin.asr_inference import main as asr_inference
from espnet_ee.bin.asr_train import main as asr_train
from espnet_ee.bin.main import main as espnet_ee
from espnet_ee.errors import DataError


@pytest.fixture(scope="module")
def exp(tmp_path_factory):
    return make_experiment(tmp_path_factory.mktemp("exp"))


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    path = tmp_path_factory.mktemp("audio") / "good.wav"
    soundfile.write(path, make_waves([24000])[0], 16000)
    return path


def write_wav(path: Path, samples: np.ndarray, rate: int = 16000) -> Path:
    soundfile.write(path, samples, rate, subtype="FLOAT")
    return path


def bad_files(folder: Path) -> dict[str, Path]:
    wave = make_waves([16000])[0]
    text = folder / "notes.txt"
    text.write_text("this is not audio", encoding="utf-8")
    return {
        "does not exist": folder / "absent.wav",
        "zero samples": write_wav(folder / "zero.wav", wave[:0]),
        "too short": write_wav(folder / "short.wav", wave[:80]),
        "NaN": write_wav(folder / "nan.wav", np.full(16000, np.nan, dtype=np.float32)),
        "cannot be read": text,
    }


def recognise(exp: Path, *words: object) -> int:
    return espnet_ee(["recognize", "--exp", str(exp), *map(str, words)])


def test_each_bad_file_gets_one_error_and_the_good_ones_are_decoded(
    exp, good, tmp_path, capfd, caplog
):
    bad = bad_files(tmp_path)
    code = recognise(exp, good, *bad.values(), good)
    assert code == 1
    out = capfd.readouterr().out
    assert [line.split("\t")[0] for line in out.splitlines()] == [str(good)] * 2
    told = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    for message, path in bad.items():
        [error] = [text for text in told if str(path) in text]
        assert message in error


def test_two_channels_at_another_rate_are_decoded_and_said_so(exp, tmp_path, capfd, caplog):
    caplog.set_level("INFO")
    wave = make_waves([44100])[0]
    path = write_wav(tmp_path / "stereo.wav", np.stack([wave, wave], axis=1), 44100)
    assert recognise(exp, path) == 0
    assert capfd.readouterr().out.startswith(f"{path}\t")
    assert "2 channels mixed down, resampled from 44100 to 16000 Hz" in caplog.text


def test_an_unknown_policy_names_the_nearest(exp, good, capfd):
    assert recognise(exp, "--policy", "entropie", "--threshold", "0", good) == 1
    err = capfd.readouterr().err
    assert "unknown policy 'entropie'" in err
    assert "did you mean entropy?" in err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--policy", "entropy"], "policy entropy needs a threshold"),
        (["--exit-layer", "99"], "--exit-layer 99 is deeper than the model"),
        (["--exit-layer", "2", "--threshold", "3"], "exclude each other"),
        (["--beam-size", "3"], "greedy CTC does not search"),
        (["--device", "cpuu"], "device 'cpuu' cannot be used"),
    ],
)
def test_options_that_do_not_fit(exp, good, capfd, words, message):
    assert recognise(exp, *words, good) == 1
    assert message in capfd.readouterr().err


@pytest.mark.parametrize("option", ["--batch-size=0", "--threads=-1", "--threshold=nan"])
def test_numbers_out_of_range(exp, good, option):
    with pytest.raises(SystemExit) as exit:
        recognise(exp, option, good)
    assert exit.value.code == 2


@pytest.mark.parametrize(
    "wave",
    [np.zeros(16000, dtype=np.int16), [0.0] * 16000, np.zeros((2, 16000), np.float32)],
)
def test_waveforms_that_are_no_float_vectors(exp, wave):
    from espnet_ee import EarlyExitSpeech2Text

    asr = EarlyExitSpeech2Text.from_exp(exp)
    with pytest.raises(DataError, match="not an array of floats|not one-dimensional"):
        asr([wave])


def test_a_truncated_checkpoint(exp, good, tmp_path, capfd):
    whole = (exp / "valid.cer_ctc.ave.pth").read_bytes()
    cut = tmp_path / "cut.pth"
    cut.write_bytes(whole[: len(whole) // 2])
    assert recognise(exp, "--checkpoint", cut, good) == 1
    err = capfd.readouterr().err
    assert f"{cut} cannot be read" in err
    assert "Traceback" not in err


def test_a_checkpoint_of_another_vocabulary(exp, good, tmp_path, capfd):
    states = torch.load(exp / "valid.cer_ctc.ave.pth", weights_only=True)
    for name in list(states):
        if name.startswith("ctc.ctc_lo"):
            states[name] = torch.cat([states[name], states[name]])
    other = tmp_path / "other.pth"
    torch.save(states, other)
    assert recognise(exp, "--checkpoint", other, good) == 1
    assert "a vocabulary of 28 tokens, the configuration 14" in capfd.readouterr().err


@pytest.mark.parametrize(
    ("part", "key"),
    [("encoder_conf", "exit_layer"), ("model_conf", "exit_weight"), (None, "encoder_cnf")],
)
def test_a_configuration_with_an_unknown_key(exp, good, tmp_path, capfd, part, key):
    from espnet_ee.host.compat import espnet_version

    settings = yaml.safe_load((exp / "config.yaml").read_text(encoding="utf-8"))
    settings["version"] = espnet_version()
    (settings[part] if part else settings)[key] = [2]
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    checkpoint = exp / "valid.cer_ctc.ave.pth"
    assert recognise(tmp_path, "--checkpoint", checkpoint, good) == 1
    err = capfd.readouterr().err
    assert key in err
    assert "Traceback" not in err


def test_a_training_configuration_with_an_unknown_key(tmp_path, capfd):
    config = tmp_path / "train.yaml"
    config.write_text("encodr: ee_conformer\n", encoding="utf-8")
    with pytest.raises(SystemExit) as exit:
        asr_train(["--config", str(config), "--output_dir", str(tmp_path)])
    assert exit.value.code == 1
    err = capfd.readouterr().err
    assert "encodr (did you mean encoder?)" in err


def decode(exp: Path, data: Path, out: Path) -> int:
    return asr_inference(
        [
            f"--asr_train_config={exp / 'config.yaml'}",
            f"--asr_model_file={exp / 'valid.cer_ctc.ave.pth'}",
            f"--data_path_and_name_and_type={data / 'wav.scp'},speech,sound",
            f"--output_dir={out}",
        ]
    )


def test_an_empty_data_directory(exp, tmp_path, capfd):
    (tmp_path / "wav.scp").write_text("", encoding="utf-8")
    assert decode(exp, tmp_path, tmp_path / "out") == 1
    assert "wav.scp is empty" in capfd.readouterr().err


def test_a_missing_data_directory(exp, tmp_path, capfd):
    assert decode(exp, tmp_path / "absent", tmp_path / "out") == 1
    assert "is missing" in capfd.readouterr().err


def test_text_without_audio(exp, good, tmp_path, capfd):
    (tmp_path / "wav.scp").write_text(f"a {good}\n", encoding="utf-8")
    (tmp_path / "text").write_text("a ABC\nghost DEF\n", encoding="utf-8")
    assert decode(exp, tmp_path, tmp_path / "out") == 1
    err = capfd.readouterr().err
    assert "in text but not in wav.scp" in err
    assert "ghost" in err


def test_a_bad_file_of_a_data_directory_leaves_the_others_decoded(exp, good, tmp_path, caplog):
    data = tmp_path / "data"
    data.mkdir()
    lines = f"a {good}\nb {tmp_path / 'absent.wav'}\nc {good}\n"
    (data / "wav.scp").write_text(lines, encoding="utf-8")
    assert decode(exp, data, tmp_path / "out") == 1
    for folder in ("1best_recog", "exit02/1best_recog", "exit06/1best_recog"):
        text = (tmp_path / "out" / folder / "text").read_text(encoding="utf-8")
        assert [line.split()[0] for line in text.splitlines()] == ["a", "c"]
    assert "absent.wav does not exist" in caplog.text


def test_inference_configuration_with_an_unknown_key(tmp_path, capfd):
    config = tmp_path / "decode.yaml"
    config.write_text("polcy: entropy\n", encoding="utf-8")
    assert asr_inference([f"--config={config}"]) == 1
    assert "polcy (did you mean policy?)" in capfd.readouterr().err
