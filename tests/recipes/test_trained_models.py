"""The laws on models that the recipes trained, with real test audio.

Needs an experiment below ``egs2/mini_ee/exp`` or ``egs2/an4_ee/exp``, from ``make demo`` or
``make smoke``; ``.ci/run`` makes one and runs these tests after it.
"""

import math
from pathlib import Path

import numpy as np
import pytest
import torch

from espnet_ee.data.audio import read_audio
from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.policies import build_policy
from espnet_ee.records import read_record
from espnet_ee.replay import first_exit, score_set

pytestmark = pytest.mark.recipe

RECIPES = Path(__file__).resolve().parents[2] / "egs2"
UTTERANCES = 12
TRUNCATED_KEYS = ("exit_heads.", "ctc.")


def newest_record(recipe: str) -> Path:
    """The record of a test set of the newest experiment with several exits."""
    found = sorted(
        (RECIPES / recipe / "exp").glob("**/test*/record.jsonl.gz"), key=lambda p: p.stat().st_mtime
    )
    found = [path for path in found if len(read_record(path).header.exits) > 1]
    if not found:
        pytest.skip(f"egs2/{recipe} has not been run here (make demo, make smoke)")
    return found[-1]


class Trained:
    """A trained recogniser, its record and some of the audio the record was made of."""

    def __init__(self, record_path: Path, recipe: Path) -> None:
        from espnet_ee.host.inference import EarlyExitSpeech2Text

        self.record = read_record(record_path)
        header = self.record.header
        exp = (recipe / header.config).parent
        self.asr = EarlyExitSpeech2Text.from_exp(exp, recipe / header.checkpoint_path)
        scp = recipe / "dump" / "raw" / header.set_name / "wav.scp"
        if not scp.exists():
            scp = next(recipe.glob(f"**/raw/{header.set_name}/wav.scp"))
        paths = dict(line.split(maxsplit=1) for line in scp.read_text().splitlines())
        self.utterances = self.record.utterances[:UTTERANCES]
        self.waves = [read_audio(recipe / paths[u.utt_id]).samples for u in self.utterances]


@pytest.fixture(scope="module", params=["mini_ee", "an4_ee"])
def trained(request):
    return Trained(newest_record(request.param), RECIPES / request.param)


@pytest.mark.parametrize("policy", ["layer", "entropy", "confidence"])
def test_replay_equals_a_run_that_really_stops(trained, policy):
    scores = score_set(trained.record).scores[policy][:UTTERANCES]
    values = np.unique(scores)
    between = (values[1:] + values[:-1])[np.diff(values) > 1e-3] / 2
    for threshold in [-math.inf, *between[:: max(1, len(between) // 5)], math.inf]:
        picks = first_exit(scores, threshold)
        live = trained.asr(trained.waves, policy, threshold)
        assert [r.exit_index for r in live] == picks.tolist()
        for utterance, pick, result in zip(trained.utterances, picks, live, strict=True):
            assert result.text == utterance.exits[pick].text


def test_an_utterance_is_the_same_alone_and_in_a_batch(trained):
    together = trained.asr.all_exits(trained.waves)
    for wave, batched in zip(trained.waves, together, strict=True):
        [alone] = trained.asr.all_exits(wave)
        assert alone.texts == batched.texts
        for one, other in zip(alone.exits, batched.exits, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-4)


def test_compaction_changes_nothing(trained):
    threshold = float(np.median(score_set(trained.record).scores["entropy"]))
    compacted = trained.asr(trained.waves, "entropy", threshold)
    whole = trained.asr(trained.waves, "entropy", threshold, compact=False)
    assert [(r.text, r.exit_index) for r in compacted] == [(r.text, r.exit_index) for r in whole]


def test_no_block_sees_an_utterance_that_has_left(trained):
    asr, policy = trained.asr, build_policy("entropy")
    threshold = float(np.median(score_set(trained.record).scores["entropy"]))
    rows: dict[int, int] = {}
    hooks = [
        block.register_forward_pre_hook(
            lambda _, inputs, layer=layer: rows.__setitem__(layer, len(inputs[0]))
        )
        for layer, block in enumerate(asr.model.encoder.encoders, start=1)
    ]
    with torch.inference_mode():
        features, lengths = asr.features(trained.waves)
        taken = decode_until_good(asr.model, features, lengths, policy, threshold)
    for hook in hooks:
        hook.remove()
    for layer in range(1, len(hooks) + 1):
        still_there = sum(decision.layer >= layer for decision in taken)
        assert rows.get(layer, 0) == still_there


def test_higher_thresholds_never_exit_earlier(trained):
    scores = score_set(trained.record).scores["entropy"]
    grid = [-math.inf, *np.quantile(scores, np.linspace(0, 1, 9)), math.inf]
    picks = np.stack([first_exit(scores, threshold) for threshold in grid])
    assert (np.diff(picks, axis=0) >= 0).all()
    assert (picks[0] == 0).all()
    assert (picks[-1] == scores.shape[1] - 1).all()


def test_an_exit_equals_a_truncated_model(trained, tmp_path):
    from espnet_ee.host.checkpoint import build_model, read_states, read_training_config

    loaded, index = trained.asr.loaded, 0
    layer = trained.asr.exit_layers[index]
    args = read_training_config(loaded.config)
    args.encoder_conf = {**args.encoder_conf, "num_blocks": layer, "exit_layers": [layer]}
    states = read_states(loaded.checkpoint)
    head = f"exit_heads.{layer}.linear"
    own = {name: states[f"{head}.{name}"] for name in ("weight", "bias")}
    blocks = [f"encoder.encoders.{n}." for n in range(layer, trained.asr.exit_layers[-1])]
    kept = {
        key: value
        for key, value in states.items()
        if not key.startswith((*blocks, *TRUNCATED_KEYS))
    }
    kept.update({f"ctc.ctc_lo.{name}": value for name, value in own.items()})
    short = build_model(args, loaded.config).eval()
    short.load_state_dict(kept)
    with torch.inference_mode():
        features, lengths = trained.asr.features(trained.waves[:3])
        full = next(iter(trained.asr.model.walk(features, lengths)))
        cut = next(iter(short.walk(features, lengths)))
        torch.testing.assert_close(
            short.exit_log_probs(cut),
            trained.asr.model.exit_log_probs(full),
            atol=1e-4,
            rtol=1e-4,
        )
