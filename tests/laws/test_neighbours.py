"""Law 1: hidden states, scores, texts and exits do not depend on what shares the batch."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from law_tools import CLEAR, recorded_scores
from model_factory import ABSOLUTE, N_MELS, VARIANTS, make_features, make_recogniser, make_waves

from espnet_ee.host.checkpoint import load_model
from espnet_ee.nn.stems import STEM_NAMES
from espnet_ee.policies import policy_names

TOLERANCE = 1e-4
# 0.1 s to 2.5 s, most of them no multiple of the hop or of the subsampling.
SAMPLES = [8000, 40000, 3201, 16001, 23999, 12345, 16001]
# Utterances by place: reversed, a long one beside short ones, identical ones, all alike in length.
BATCHES = [[6, 5, 4, 3, 2, 1, 0], [2, 1], [0, 2, 5], [3, 3, 3], [3, 6]]


STEMS = {
    f"{stem}-{positions}": {
        "encoder_conf": {"input_layer": stem, **(ABSOLUTE if positions == "abs_pos" else {})}
    }
    for stem, positions in product(STEM_NAMES, ("rel_pos", "abs_pos"))
}


@pytest.fixture(scope="module", params=[*STEMS, *VARIANTS])
def asr(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("neighbours")
    changes = dict({**STEMS, **VARIANTS}[request.param])
    if request.param.endswith("abs_pos"):  # so that both normalisations are met
        changes.update(normalize="global_mvn", normalize_conf={"stats_file": global_stats(folder)})
    return make_recogniser(folder, **changes)


def global_stats(folder):
    path = folder / "feats_stats.npz"
    rng = np.random.default_rng(0)
    total = rng.normal(-3.0, 1.0, N_MELS)
    np.savez(path, count=100, sum=100 * total, sum_square=100 * (total**2 + 4.0))
    return str(path)


@pytest.fixture(scope="module")
def unpacked(asr):
    """The same model with torch's own linear layers, as a GPU runs it."""
    return load_model(asr.loaded.config, asr.loaded.checkpoint).model


@pytest.fixture(scope="module")
def waves():
    return make_waves(SAMPLES)


@torch.inference_mode()
def hidden_states(model, waves):
    """Per exit and utterance its real frames, from the waveforms on."""
    lengths = torch.tensor([len(wave) for wave in waves])
    speech = torch.nn.utils.rnn.pad_sequence([torch.from_numpy(w) for w in waves], batch_first=True)
    return [
        [row[:n] for row, n in zip(exit.hidden, exit.lengths.tolist(), strict=True)]
        for exit in model.walk([model.speech_features(speech, lengths)])
    ]


@pytest.mark.parametrize("weights", ["packed", "unpacked"])
def test_hidden_states_from_the_waveform(weights, asr, unpacked, waves):
    model = asr.model if weights == "packed" else unpacked
    alone = [hidden_states(model, [wave]) for wave in waves]
    for batch in BATCHES:
        together = hidden_states(model, [waves[place] for place in batch])
        for index, rows in enumerate(together):
            for place, row in zip(batch, rows, strict=True):
                torch.testing.assert_close(row, alone[place][index][0], atol=TOLERANCE, rtol=0)


def test_texts_and_scores_of_all_exits(asr, waves):
    alone = [asr.all_exits(wave)[0] for wave in waves]
    for batch in BATCHES:
        for place, result in zip(batch, asr.all_exits([waves[p] for p in batch]), strict=True):
            assert result.texts == alone[place].texts
            assert result.cost == alone[place].cost
            for exit, reference in zip(result.exits, alone[place].exits, strict=True):
                assert exit.frames == reference.frames and exit.path.tokens == reference.path.tokens
                assert exit.path.log_prob == pytest.approx(reference.path.log_prob, abs=1e-3)
                assert exit.scores == pytest.approx(reference.scores, abs=TOLERANCE)


@pytest.mark.parametrize("policy", policy_names())
def test_exits_taken(policy, asr, waves):
    scores = recorded_scores(asr.all_exits(waves), policy)
    threshold = clear_threshold(scores)
    alone = [asr(wave, policy, threshold)[0] for wave in waves]
    told_apart = any(len(np.unique(column.round(3))) > 2 for column in scores[:, :-1].T)
    if told_apart:
        assert len({result.exit_index for result in alone}) > 1, "the test must see several exits"
    for batch in BATCHES:
        for place, result in zip(
            batch, asr([waves[p] for p in batch], policy, threshold), strict=True
        ):
            assert result.exit_index == alone[place].exit_index
            assert result.text == alone[place].text
            assert result.gflops == alone[place].gflops
            assert result.score == pytest.approx(alone[place].score, abs=TOLERANCE)


def clear_threshold(scores):
    """The middle of the widest gap between the first exit's scores, but for the outermost two.

    Where these are all alike, as agreements are, of the second's; or of all scores ``(U, E)``.
    Beyond them where none differs clearly, as when no exits of any utterance say the same thing.
    """
    columns = [np.unique(column.round(4)) for column in scores.T]
    choices = [columns[0][1:-1], columns[1], np.unique(scores)]
    clear = (choice for choice in choices if len(choice) > 1 and np.diff(choice).max() > CLEAR)
    values = next(clear, None)
    if values is None:
        return float(scores.max()) + 1.0
    widest = int(np.diff(values).argmax())
    return float(values[widest : widest + 2].mean())


@pytest.mark.parametrize("stem", STEM_NAMES)
def test_the_batched_stem_of_training_and_gpus_equals_one_by_one(stem, tmp_path_factory):
    folder = tmp_path_factory.mktemp("stem")
    encoder = make_recogniser(folder, encoder_conf={"input_layer": stem}).model.encoder
    features, lengths = make_features([40, 97, 120, 64])
    with torch.inference_mode():
        alone = encoder.stem_frames(features, lengths)
        # Twice the padding and noise on it: a wider batch must not matter either.
        wide = torch.cat([features, torch.randn_like(features)], dim=1)
        batched = encoder.embed(wide)
    for row, one, n in zip(batched, alone.hidden, alone.lengths.tolist(), strict=True):
        torch.testing.assert_close(row[:n], one[:n], atol=TOLERANCE, rtol=0)
