"""Law 5 for rules: a gate, a combination, a look-back live are what replay says of the record."""

from __future__ import annotations

import numpy as np
import pytest
from law_tools import thresholds_between
from model_factory import make_experiment, make_recogniser, make_waves

from espnet_ee.bin.options import stopping_of
from espnet_ee.data.kaldi import read_table
from espnet_ee.errors import ConfigError
from espnet_ee.host.attention_decoding import AttentionSpeaker
from espnet_ee.host.decode_set import DecodeJob, decode_set
from espnet_ee.policies import build_policy
from espnet_ee.policies.ruled import policy_of
from espnet_ee.records import RECORD_NAME, read_record
from espnet_ee.replay import first_exit, stop_gflops, surest_exit
from espnet_ee.rules import AllOf, AnyOf, Calibrated, Condition, LinearGate, Single, TreeGate
from espnet_ee.rules.applying import with_rule
from espnet_ee.rules.file import ChosenRule, write_rule
from espnet_ee.rules.gate import Tree
from espnet_ee.scored_set import score_set

NEEDS = ("entropy", "agreement", "cosine", "known_words")
FILL, EXITS = (-3.0, 0.0, -1.0, 0.0), 2
STUMP = Tree((0, -1, -1), (-1.2, 0.0, 0.0), (1, 0, 0), (2, 0, 0), (0.0, -0.4, 0.7))
RULES = {
    "all of": AllOf((Condition("entropy", -1.5), Condition("spelling", -3.0))),
    "any of": AnyOf((Condition("agreement", 0.4), Condition("entropy", -1.2))),
    "calibrated": Calibrated("entropy", "sigmoid", (((-2.5, -0.2), (0.1, 0.9)),) * EXITS),
    "linear gate": LinearGate(NEEDS, FILL, EXITS, "good", (0.7, 0.5, 0.2, 1.0, -0.3, 0.1), 0.4),
    "tree gate": TreeGate(NEEDS, FILL, EXITS, "excess", 0.2, (STUMP, STUMP)),
    "layer": Single("layer"),
    "clusters": AllOf((Condition("clusters", -1.6), Condition("cosine", -1.0))),
}
BACKS = {"none": None, "entropy": "entropy", "brevity": "brevity", "cosine": "cosine"}


@pytest.fixture(scope="module")
def waves():
    return make_waves([30000, 8000, 16001, 3900, 24000, 8000, 12345, 19999], seed=7)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rules")


@pytest.fixture(scope="module")
def asr(folder):
    return make_recogniser(folder / "exp")


@pytest.fixture(scope="module")
def record(folder, asr, waves):
    import soundfile

    lines = []
    for number, wave in enumerate(waves):
        soundfile.write(folder / f"{number}.wav", wave, 16000, subtype="FLOAT")
        lines.append(f"u{number} {folder / f'{number}.wav'}")
    (folder / "wav.scp").write_text("\n".join(lines) + "\n")
    (folder / "text").write_text("".join(f"u{n} A B\n" for n in range(len(waves))))
    job = DecodeJob(folder / "wav.scp", folder / "out", None, build_policy("layer"), 6.0, 0)
    assert decode_set(asr, job) == {}
    return read_record(folder / "out" / RECORD_NAME)


@pytest.mark.parametrize("back", BACKS)
@pytest.mark.parametrize("kind", RULES)
def test_replay_equals_live(kind, back, asr, record, waves):
    rule, look_back = RULES[kind], BACKS[back]
    scored = with_rule(score_set(record), rule, look_back=look_back)
    costs, scores = stop_gflops(scored, rule.name), scored.scores[rule.name]
    if kind == "layer" and look_back is None:
        pytest.skip("a fixed exit without look-back is no rule file's business")
    reached, looked_back = set(), False
    for threshold in thresholds_between(scores):
        picks = first_exit(scores, threshold)
        said = picks if look_back is None else surest_exit(scored.scores[look_back], picks)
        live = asr(waves, policy_of(ChosenRule(rule, threshold, look_back)), threshold)
        for row, result in enumerate(live):
            assert result.exit_index == picks[row]
            assert result.said_layer == record.header.exits[said[row]]
            assert result.text == record.utterances[row].exits[said[row]].text
            assert result.tokens == record.utterances[row].exits[said[row]].tokens
            assert result.gflops == costs[row, picks[row]]
        reached |= set(picks.tolist())
        looked_back |= bool((said != picks).any())
    assert len(reached) > 1 and looked_back == (look_back is not None)


def test_the_same_in_any_batch(asr, waves):
    policy = policy_of(ChosenRule(RULES["linear gate"], 0.5, "entropy"))
    threshold = np.median([r.score for r in asr(waves, policy, -np.inf)])
    together = asr(waves, policy, threshold)
    for wave, result in zip(waves, together, strict=True):
        [alone] = asr(wave, policy, threshold)
        assert (alone.text, alone.layer, alone.said_layer) == (
            result.text,
            result.layer,
            result.said_layer,
        )


def test_a_rule_file_in_decoding_chooses_what_replay_chooses(folder, asr, record):
    rule, look_back = RULES["tree gate"], "entropy"
    scored = with_rule(score_set(record), rule, look_back=look_back)
    threshold = float(np.median(scored.scores[rule.name][:, :-1]))
    write_rule(folder / "rule.yaml", ChosenRule(rule, threshold, look_back))
    policy, limit, _ = stopping_of("layer", None, str(folder / "rule.yaml"))
    decode_set(asr, DecodeJob(folder / "wav.scp", folder / "ruled", None, policy, limit, 0))
    picks = first_exit(scored.scores[rule.name], threshold)
    said = surest_exit(scored.scores[look_back], picks)
    texts = read_table(folder / "ruled/1best_recog/text")
    for row, utterance in enumerate(record.utterances):
        assert texts[utterance.utt_id] == utterance.exits[said[row]].text.strip()
    again = read_record(folder / "ruled" / RECORD_NAME)
    assert again.header.policies[rule.name].unit == "-excess errors"


def test_a_threshold_and_a_rule_file_exclude_each_other(folder):
    write_rule(folder / "plain.yaml", ChosenRule(Single("entropy"), -0.5))
    policy, threshold, chosen = stopping_of("layer", None, str(folder / "plain.yaml"))
    assert policy == build_policy("entropy") and threshold == -0.5 and chosen
    for name, limit in (("entropy", None), ("layer", 4.0)):
        with pytest.raises(ConfigError, match="holds policy and threshold"):
            stopping_of(name, limit, str(folder / "plain.yaml"))


def test_looking_back_needs_greedy_texts(tmp_path, waves):
    from espnet_ee.host.attention_decoding import BeamOptions
    from espnet_ee.host.inference import EarlyExitSpeech2Text

    conf = {"decoder": "transformer", "model_conf": {"ctc_weight": 0.3}}
    conf["decoder_conf"] = {"attention_heads": 2, "linear_units": 8, "num_blocks": 1}
    exp = make_experiment(tmp_path / "aed", **conf)
    asr = EarlyExitSpeech2Text.from_exp(exp, beam=BeamOptions(beam_size=1))
    assert isinstance(asr.speak, AttentionSpeaker)
    with pytest.raises(ConfigError, match="look-back repeats"):
        asr(waves, policy_of(ChosenRule(Single("entropy"), -1.0, "entropy")), -1.0)
