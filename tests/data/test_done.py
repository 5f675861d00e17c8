"""Done markers: a stage is skipped only if it ended well and nothing it depends on changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from espnet_ee.data.done import (
    changes,
    check,
    check_resumable,
    config_facts,
    fingerprint,
    reasons_to_run,
)
from espnet_ee.errors import ConfigError, DataError

FACTS = {"--nbpe": "150", "data/text": "abc"}


def end_well(marker: Path) -> None:
    marker.with_name(f"{marker.name}.started").rename(marker)


@pytest.fixture
def marker(tmp_path: Path) -> Path:
    return tmp_path / "out" / ".done.5"


def test_done_after_it_ended_well(marker: Path) -> None:
    assert not check(marker, FACTS, [], force=False)
    end_well(marker)
    assert check(marker, FACTS, [], force=False)


def test_not_done_if_interrupted(marker: Path) -> None:
    check(marker, FACTS, [], force=False)
    assert reasons_to_run(marker, FACTS, [], force=False) == ["interrupted before"]
    assert not check(marker, FACTS, [], force=False)


def test_a_stage_that_starts_again_is_not_done_until_it_ends(marker: Path) -> None:
    check(marker, FACTS, [], force=False)
    end_well(marker)
    assert not check(marker, FACTS, [], force=True)
    assert not marker.exists()


def test_changes_missing_outputs_and_wishes_are_reasons(marker: Path) -> None:
    check(marker, FACTS, [], force=False)
    end_well(marker)
    lost = marker.with_name("tokens.txt")
    now = {"--nbpe": "200", "data/text": "abd"}
    assert reasons_to_run(marker, now, [lost], force=True) == [
        f"{lost} is missing",
        "--nbpe changed from '150' to '200'",
        "data/text changed",
        "asked for",
    ]


def test_a_new_or_lost_fact_is_a_change() -> None:
    assert changes({"--a": "1"}, {"--b": "2"}) == [
        "--a changed from '1' to ''",
        "--b changed from '' to '2'",
    ]


def test_a_damaged_marker_means_run(marker: Path) -> None:
    marker.parent.mkdir()
    marker.write_text("{")
    assert reasons_to_run(marker, FACTS, [], force=False)


def test_audio_counts_by_content_of_the_list_and_time_of_the_files(tmp_path: Path) -> None:
    wav, scp = tmp_path / "a.wav", tmp_path / "wav.scp"
    wav.write_bytes(b"1234")
    scp.write_text(f"a {wav}\n")
    before = fingerprint(scp, "audio")
    assert fingerprint(scp, "audio") == before
    wav.write_bytes(b"12345")
    assert fingerprint(scp, "audio") != before
    assert fingerprint(scp, "input") == fingerprint(scp, "input")


def test_missing_input_says_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="run the stages before it first"):
        fingerprint(tmp_path / "wav.scp", "input")


def test_only_the_named_part_of_a_configuration_counts(tmp_path: Path) -> None:
    config = tmp_path / "train.yaml"
    config.write_text("frontend: default\nfrontend_conf: {n_fft: 512}\nmax_epoch: 3\n")
    pair = [f"{config}:frontend,preprocessor"]
    before = config_facts(pair)
    config.write_text("max_epoch: 9\nfrontend_conf: {n_fft: 512}\nfrontend: default\n")
    assert config_facts(pair) == before
    config.write_text("frontend_conf: {n_fft: 400}\nfrontend: default\n")
    assert config_facts(pair) != before
    with pytest.raises(DataError, match="check --asr_config"):
        config_facts([f"{tmp_path}/none.yaml:frontend"])


@pytest.mark.parametrize(("content", "message"), [("a: [", "is not YAML"), ("- a", "has no keys")])
def test_what_is_no_configuration_is_named(tmp_path: Path, content: str, message: str) -> None:
    config = tmp_path / "train.yaml"
    config.write_text(content)
    with pytest.raises(ConfigError, match=message):
        config_facts([f"{config}:"])


@pytest.mark.parametrize("ended", [True, False])
@pytest.mark.parametrize(
    ("before", "now", "allowed"),
    [
        ({}, {}, True),
        ({"max_epoch in the configuration": "5"}, {"max_epoch in the configuration": "6"}, True),
        ({"max_epoch in the configuration": "5"}, {"max_epoch in the configuration": "4"}, False),
        ({"max_epoch in the configuration": "41"}, {}, False),  # ESPnet's default is 40
        ({"--asr_args": ""}, {"--asr_args": "--max_epoch 50"}, True),
        ({"--asr_args": "--a 1 --max_epoch=9 --b"}, {"--asr_args": "--a 1 --b"}, True),
        ({"--asr_args": "--max_epoch 9"}, {"--asr_args": "--max_epoch 10 --b 1"}, False),
        ({"--asr_args": "--lr 1"}, {"--asr_args": "--lr 2"}, False),
        ({"encoder in the configuration": "1"}, {"encoder in the configuration": "2"}, False),
        ({}, {"start.pth": "1"}, False),
    ],
)
def test_a_training_goes_on_only_as_itself_or_for_longer(
    marker: Path, before: dict[str, str], now: dict[str, str], allowed: bool, ended: bool
) -> None:
    check(marker, FACTS | before, [], force=False)
    if ended:
        end_well(marker)
    if allowed:
        check_resumable(marker, FACTS | now, marker.parent)
    else:
        with pytest.raises(ConfigError, match="holds another training"):
            check_resumable(marker, FACTS | now, marker.parent)


def test_a_checkpoint_of_unknown_origin_is_not_gone_on_with(marker: Path) -> None:
    with pytest.raises(ConfigError, match="a checkpoint without its options"):
        check_resumable(marker, FACTS, marker.parent)
