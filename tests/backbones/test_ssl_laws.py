"""Laws 1 to 4 and 9 for self-supervised encoders: both norms, all three families."""

from __future__ import annotations

from collections import Counter

import pytest
import torch
from law_tools import alike, recorded_scores, thresholds_between
from model_factory import HEAD_CONFS, make_waves
from ssl_factory import FAMILIES, make_speech, make_ssl_model, make_ssl_recogniser
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from espnet_ee.decoding.early_exit import decode_until_good
from espnet_ee.host.checkpoint import load_model
from espnet_ee.nn.packed import PackedLinear
from espnet_ee.policies import build_policy

SAMPLES = [16000, 5003, 9600, 700, 12345]


@pytest.fixture(scope="module", params=FAMILIES)
def family(request):
    return request.param


@pytest.fixture(scope="module")
def asr(family, tmp_path_factory):
    return make_ssl_recogniser(tmp_path_factory.mktemp("ssl"), family)


@pytest.fixture(scope="module")
def model(asr):
    """With ordinary linear layers, which hooks and counters know."""
    return load_model(asr.loaded.config, asr.loaded.checkpoint).model


def close(one, other, atol=1e-4):
    torch.testing.assert_close(one, other, atol=atol, rtol=0)


@torch.inference_mode()
def test_law_1_hidden_states_do_not_depend_on_the_batch(model):
    speech, lengths = make_speech(SAMPLES)
    together = list(model.walk([(speech, lengths)]))
    spread = torch.stack([exit.hidden.std() for exit in together])
    assert bool((spread > 0.1).all()), "nothing to compare"
    for row, samples in enumerate(SAMPLES):
        alone = model.walk([(speech[row : row + 1, :samples], lengths[row : row + 1])])
        for one, exit in zip(alone, together, strict=True):
            frames = int(exit.lengths[row])
            assert one.hidden.shape[1] == frames == model.encoder.frames_of(samples)
            close(exit.hidden[row, :frames], one.hidden[0])


def test_law_1_texts_scores_and_exits_do_not_depend_on_the_batch(asr):
    waves = make_waves(SAMPLES, seed=1)
    together = asr.all_exits(waves)
    for wave, shared in zip(waves, together, strict=True):
        [alone] = asr.all_exits([wave])
        assert alone.texts == shared.texts and alone.cost == shared.cost
        for one, other in zip(alone.exits, shared.exits, strict=True):
            assert one.scores == pytest.approx(other.scores, abs=1e-4)
    assert len({result.texts for result in together}) > 1


@torch.inference_mode()
def test_packing_changes_nothing_and_leaves_no_linear_layer(asr, model):
    speech, lengths = make_speech(SAMPLES)
    kinds = {type(module) for module in asr.model.modules()}
    if PackedLinear not in kinds:
        pytest.skip("oneDNN does not pack weights here")
    assert not any(issubclass(kind, torch.nn.Linear) for kind in kinds)
    for block in asr.model.encoder.encoder.transformer.layers:
        # torchaudio keeps WavLM's projections as bare parameters.
        assert sum(isinstance(m, PackedLinear) for m in block.modules()) >= 4
    for one, other in zip(
        asr.model.walk([(speech, lengths)]), model.walk([(speech, lengths)]), strict=True
    ):
        for row, frames in enumerate(one.lengths.tolist()):
            close(one.hidden[row, :frames], other.hidden[row, :frames])


@pytest.mark.parametrize("layer", [2, 4])
@torch.inference_mode()
def test_law_2_exit_k_is_the_k_block_model(layer, family, model, tmp_path):
    shorter = make_ssl_model(tmp_path, family, num_blocks=layer, exit_layers=[layer])
    kept = {
        key: value
        for key, value in model.encoder.state_dict().items()
        if ".layers." not in key or key.startswith("feature") or int(key.split(".")[3]) < layer
    }
    shorter.encoder.load_state_dict(kept)
    speech, lengths = make_speech(SAMPLES)
    wanted = next(exit for exit in model.walk([(speech, lengths)]) if exit.layer == layer)
    [exit] = shorter.walk([(speech, lengths)])
    close(exit.hidden, wanted.hidden, atol=1e-6)


@pytest.mark.parametrize("head", HEAD_CONFS)
@pytest.mark.parametrize("backbone", ["hubert_base", "wavlm_large"])
def test_laws_1_and_4_hold_for_every_head(backbone, head, tmp_path):
    asr = make_ssl_recogniser(tmp_path, backbone, model_conf=HEAD_CONFS[head])
    waves = make_waves(SAMPLES, seed=1)
    splits = 0
    for threshold in thresholds_between(recorded_scores(asr.all_exits(waves), "entropy"), most=5):
        together = asr(waves, "entropy", threshold)
        splits += len({result.layer for result in together}) > 1
        for wave, result in zip(waves, together, strict=True):
            [alone] = asr([wave], "entropy", threshold)
            assert (alone.text, alone.layer) == (result.text, result.layer)
            assert alone.score == pytest.approx(result.score, abs=1e-4)
    assert splits, "no batch stopped in part"


class RowCounter:
    """Counts the rows that enter each block."""

    def __init__(self, model):
        self.rows = Counter()
        blocks = model.encoder.encoder.transformer.layers
        self._handles = [
            block.register_forward_hook(self._count(layer)) for layer, block in enumerate(blocks, 1)
        ]

    def _count(self, layer):
        def hook(module, inputs, output):
            self.rows[layer] += len(inputs[0])

        return hook

    def __enter__(self):
        return self

    def __exit__(self, *error):
        for handle in self._handles:
            handle.remove()


@torch.inference_mode()
def test_law_3_every_block_sees_exactly_the_utterances_still_active(asr, model):
    speech, lengths = make_speech(SAMPLES, seed=1)
    scores = recorded_scores(asr.all_exits(make_waves(SAMPLES, seed=1)), "entropy")
    taken = set()
    for threshold in thresholds_between(scores):
        with RowCounter(model) as counter:
            decisions = decode_until_good(
                model, [(speech, lengths)], build_policy("entropy"), threshold
            )
        expected = Counter()
        for decision in decisions:
            expected.update(range(1, decision.layer + 1))
        assert counter.rows == expected
        taken |= set(expected.values())
    assert len(taken) > 2, "no batch stopped in part"


def test_law_4_compaction_changes_nothing_and_keeps_the_order(asr):
    waves = make_waves(SAMPLES, seed=1)
    recorded = asr.all_exits(waves)
    for threshold in thresholds_between(recorded_scores(recorded, "entropy")):
        compacted = asr(waves, "entropy", threshold)
        computed_on = asr(waves, "entropy", threshold, compact=False)
        assert [round(result.seconds * 16000) for result in compacted] == SAMPLES
        replayed = [
            next((i for i, exit in enumerate(r.exits) if exit.scores["entropy"] >= threshold), 2)
            for r in recorded
        ]
        assert [result.exit_index for result in compacted] == replayed  # law 5
        for one, other in zip(compacted, computed_on, strict=True):
            assert alike(one, other)


def counted(function) -> int:
    # Not inference_mode: torch's counter stumbles there over modules that are given parameters,
    # as weight normalisation is.
    with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH), torch.no_grad():
        function()
    return counter.get_total_flops()


@pytest.mark.parametrize("samples", [700, 16000, 24001])
def test_law_9_flops_are_those_that_torch_counts(samples, asr, model):
    speech, lengths = make_speech([samples])
    cost = asr.cost_model([build_policy("layer")]).utterance(samples)
    for index, layer in enumerate(model.encoder.exit_layers):

        def up_to_here(layer=layer):
            for exit in model.walk([(speech, lengths)]):
                if exit.layer == layer:
                    return

        assert counted(up_to_here) == round(cost.body_gflops[index] * 1e9)
    floor = counted(lambda: model.encoder.stem_frames(speech, lengths))
    assert floor == round(cost.floor_gflops * 1e9) > 0


def test_the_shortest_input_is_exact(asr, model):
    fewest = model.encoder.min_feature_frames
    assert asr.min_samples == fewest
    assert model.encoder.frames_of(fewest) == 1 and model.encoder.frames_of(fewest - 1) == 0
    [result] = asr.all_exits(make_waves([fewest]))
    assert result.exits[0] is not None
