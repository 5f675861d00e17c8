"""The laws on models that the recipes trained, with real test audio.

Needs an experiment below ``egs2/mini_ee/exp`` or ``egs2/an4_ee/exp``, from ``make demo`` or
``make smoke``; ``.ci/run`` makes one and runs these tests after it.
"""

from itertools import pairwise
from pathlib import Path

import jiwer
import numpy as np
import pytest
import torch
import yaml
from law_tools import thresholds_between, truncated

from espnet_ee.baselines import fixed_exits
from espnet_ee.data.audio import read_audio
from espnet_ee.data.cutting import CutOptions
from espnet_ee.data.kaldi import read_table
from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.policies import policy_names
from espnet_ee.record_format import GREEDY
from espnet_ee.records import RECORD_NAME, RecordHeader, read_record
from espnet_ee.replay import first_exit, stop_gflops
from espnet_ee.scored_set import policy_scores, score_set

pytestmark = pytest.mark.recipe

RECIPES = Path(__file__).resolve().parents[2] / "egs2"
UTTERANCES = 12


def newest_record(recipe: str) -> Path:
    """The record of a test set of the newest experiment with several exits and CTC alone."""
    paths = (RECIPES / recipe / "exp").glob(f"**/test*/{RECORD_NAME}")
    found = sorted(paths, key=lambda path: path.stat().st_mtime)
    found = [path for path in found if has_ctc_exits(read_record(path).header, recipe)]
    if not found:
        pytest.skip(f"egs2/{recipe} has not been run here (make demo, make smoke)")
    return found[-1]


def has_ctc_exits(header: RecordHeader, recipe: str) -> bool:
    """Attention decoders have laws of their own; truncated models of these tests lack them."""
    config = yaml.safe_load((RECIPES / recipe / header.config).read_text(encoding="utf-8"))
    return len(header.exits) > 1 and header.decoding == GREEDY and config["decoder"] is None


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
        paths = read_table(scp)
        self.utterances = self.record.utterances[:UTTERANCES]
        self.waves = [read_audio(recipe / paths[u.utt_id]).samples for u in self.utterances]

    def thresholds(self, policy: str) -> list[float]:
        """Between the recorded scores of the utterances."""
        if policy not in ("layer", *self.record.header.policies):
            pytest.skip(f"{policy} came after this record, or its model lacks what {policy} needs")
        return thresholds_between(policy_scores(self.record, policy)[:UTTERANCES])


@pytest.fixture(scope="module", params=["mini_ee", "an4_ee"])
def trained(request):
    return Trained(newest_record(request.param), RECIPES / request.param)


@pytest.mark.parametrize("policy", policy_names())
def test_replay_equals_a_run_that_really_stops(policy, trained):
    thresholds, scored = trained.thresholds(policy), score_set(trained.record)
    scores, costs = scored.scores[policy], stop_gflops(scored, policy)
    for threshold in thresholds:
        picks = first_exit(scores[:UTTERANCES], threshold)
        live = trained.asr(trained.waves, policy, threshold)
        assert [result.exit_index for result in live] == picks.tolist()
        for row, (pick, result) in enumerate(zip(picks, live, strict=True)):
            assert result.text == trained.utterances[row].exits[pick].text
            assert result.gflops == costs[row, pick]


def test_an_utterance_is_the_same_alone_and_in_a_batch(trained):
    together = trained.asr.all_exits(trained.waves)
    for wave, batched in zip(trained.waves, together, strict=True):
        [alone] = trained.asr.all_exits(wave)
        assert alone.texts == batched.texts
        for one, other in zip(alone.exits, batched.exits, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-4)


@pytest.mark.parametrize("policy", policy_names())
def test_compaction_changes_nothing(policy, trained):
    for threshold in trained.thresholds(policy):
        compacted = trained.asr(trained.waves, policy, threshold)
        whole = trained.asr(trained.waves, policy, threshold, compact=False)
        assert [(r.text, r.exit_index) for r in compacted] == [
            (r.text, r.exit_index) for r in whole
        ]


@pytest.mark.parametrize("policy", policy_names())
def test_no_block_sees_an_utterance_that_has_left(policy, trained):
    for threshold in trained.thresholds(policy):
        taken, rows = decode_and_count(trained, policy, threshold)
        for layer in range(1, trained.asr.exit_layers[-1] + 1):
            assert rows.get(layer, 0) == sum(decision.layer >= layer for decision in taken)


def decode_and_count(trained, policy, threshold):
    """The decisions of a run that stops, and the rows that entered each block."""
    asr, rows = trained.asr, {}
    hooks = [
        block.register_forward_pre_hook(
            lambda _, inputs, layer=layer: rows.__setitem__(layer, len(inputs[0]))
        )
        for layer, block in enumerate(asr.model.encoder.encoders, start=1)
    ]
    with torch.inference_mode():
        features, lengths = asr.features(trained.waves)
        taken = decode_until_good(asr.model, [(features, lengths)], asr.policy(policy), threshold)
    for hook in hooks:
        hook.remove()
    return taken, rows


@pytest.mark.parametrize("policy", policy_names())
def test_higher_thresholds_never_exit_earlier(policy, trained):
    grid = trained.thresholds(policy)
    runs = [trained.asr(trained.waves, policy, threshold) for threshold in grid]
    for lower, higher in pairwise(runs):
        for early, late in zip(lower, higher, strict=True):
            assert early.exit_index <= late.exit_index and early.gflops <= late.gflops
    assert {result.exit_index for result in runs[0]} == {0}
    assert {result.layer for result in runs[-1]} == {trained.asr.exit_layers[-1]}


@torch.inference_mode()
def test_every_exit_equals_a_truncated_model(trained):
    from espnet_ee.host.checkpoint import build_model, read_states, read_training_config

    asr, loaded = trained.asr, trained.asr.loaded
    features, lengths = asr.features(trained.waves[:3])
    for exit in asr.model.walk([(features, lengths)]):
        args = read_training_config(loaded.config)
        below = [layer for layer in asr.exit_layers if layer <= exit.layer]
        shorter = {"num_blocks": exit.layer, "exit_layers": below}
        args.encoder_conf = {**args.encoder_conf, **shorter}
        short = build_model(args, loaded.config).eval()
        short.load_state_dict(truncated(read_states(loaded.checkpoint), exit.layer))
        *_, cut = short.walk([(features, lengths)])
        assert cut.layer == exit.layer
        torch.testing.assert_close(
            short.exit_log_probs(cut), asr.model.exit_log_probs(exit), atol=1e-4, rtol=1e-4
        )


def loud_sec(wave):
    """When an utterance begins and ends, by its energy in steps of 10 ms."""
    energy = np.convolve(np.square(wave, dtype=np.float64), np.ones(400) / 400, "same")[::160]
    level = 10 * np.log10(energy + 1e-10)
    loud = np.flatnonzero(level > np.percentile(level, [5, 95]).mean())
    return loud[0] / 100, loud[-1] / 100


def skip_unless_it_knows_words(trained):
    """What is said of the times of words says nothing of a model that knows none."""
    wer = fixed_exits(score_set(trained.record))[-1].wer
    if wer > 0.5:
        pytest.skip(f"a model trained for a moment: {100 * wer:.0f} % WER")


def test_words_are_spoken_when_their_times_say(trained):
    skip_unless_it_knows_words(trained)
    first, last = [], []
    for wave, result in zip(
        trained.waves, trained.asr(trained.waves, timestamps=True), strict=True
    ):
        words = result.words
        assert [word.text for word in words] == result.text.split()
        assert all(0 <= word.start_sec < word.end_sec <= result.seconds for word in words)
        assert all(a.end_sec <= b.start_sec for a, b in pairwise(words))
        begins, ends = loud_sec(wave)
        first.append(words[0].start_sec - begins)
        last.append(words[-1].end_sec - ends)
    assert abs(np.median(first)) < 0.25 and abs(np.median(last)) < 0.25


def test_utterances_in_a_row_are_recognised_once_each(trained, request):
    if "mini_ee" in request.node.name:
        pytest.skip("the demo's model, trained on single commands, hears words in pauses")
    skip_unless_it_knows_words(trained)
    alone = " ".join(result.text for result in trained.asr(trained.waves))
    found = trained.asr.transcribe(np.concatenate(trained.waves), CutOptions(8.0, 2.0, 2.0))
    assert len(found.pieces) > 4
    apart = jiwer.process_words(alone, found.text)
    assert apart.insertions + apart.deletions <= 0.1 * len(alone.split())
