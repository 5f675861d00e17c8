"""Law 8: one exit gives ESPnet's loss; weights are what the config says; heads learn or rest."""

from __future__ import annotations

import pytest
import torch
from model_factory import TOKENS, make_features, make_model
from torch.nn import functional

from espnet_ee.host.compat import ESPnetASRModel

STILL = {"dropout_rate": 0.0, "positional_dropout_rate": 0.0}
DECODER = {
    "decoder": "transformer",
    "decoder_conf": {
        "attention_heads": 2,
        "linear_units": 24,
        "num_blocks": 1,
        "dropout_rate": 0.0,
        "positional_dropout_rate": 0.0,
    },
}


def still_model(folder, encoder_conf=None, **changes):
    """A model on features without any randomness, so that training mode can be compared."""
    encoder_conf = {"input_layer": "conv2d", **STILL, **(encoder_conf or {})}
    return make_model(folder, encoder_conf=encoder_conf, input_size=40, normalize=None, **changes)


@pytest.fixture(scope="module")
def batch():
    features, lengths = make_features([120, 97, 61])
    text = torch.tensor([[3, 4, 4, 5, 2, 6], [7, 8, 9, -1, -1, -1], [3, 2, -1, -1, -1, -1]])
    return {
        "speech": features,
        "speech_lengths": lengths,
        "text": text,
        "text_lengths": torch.tensor([6, 3, 2]),
    }


@pytest.mark.parametrize("ctc_weight", [1.0, 0.3])
def test_with_one_exit_it_is_espnets_model(ctc_weight, batch, tmp_path):
    changes = DECODER if ctc_weight < 1.0 else {}
    ours = still_model(
        tmp_path, {"exit_layers": []}, model_conf={"ctc_weight": ctc_weight}, **changes
    )
    stock = ESPnetASRModel(
        vocab_size=len(TOKENS),
        token_list=list(TOKENS),
        frontend=None,
        specaug=None,
        normalize=None,
        preencoder=None,
        encoder=ours.encoder,
        postencoder=None,
        decoder=ours.decoder,
        ctc=ours.ctc,
        joint_network=None,
        ctc_weight=ctc_weight,
    )
    for training in (False, True):
        loss, stats, weight = ours.train(training)(**batch)
        stock_loss, stock_stats, stock_weight = stock.train(training)(**batch)
        torch.testing.assert_close(loss, stock_loss)
        assert weight == stock_weight
        for key in ("loss", "loss_ctc", "loss_att", "acc", "cer", "wer"):
            if stock_stats.get(key) is not None:
                torch.testing.assert_close(stats[key], stock_stats[key], msg=f"{key} {training}")
    # Without padding, whose labels ESPnet counts as insertions, the error rate is ESPnet's too.
    one = {key: value[:1] for key, value in batch.items()}
    assert ours.eval()(**one)[1]["cer_ctc"] == stock.eval()(**one)[1]["cer_ctc"] > 0


RULES = {
    "uniform": (1.0, 1.0, 1.0),
    "depth": (1 / 6, 2 / 6, 3 / 6),
    "listed": (0.5, 0.0, 2.0),
}


@pytest.mark.parametrize("heads", ["own", "shared"])
@pytest.mark.parametrize("rule", RULES)
def test_the_loss_is_the_weighted_sum_of_the_exits(rule, heads, batch, tmp_path):
    weights = RULES[rule]
    conf = {"exit_heads": heads, "exit_weights": list(weights) if rule == "listed" else rule}
    model = still_model(tmp_path, model_conf=conf).train()
    loss, stats, _ = model(**batch)
    by_hand = 0.0
    for exit, weight in zip(
        model.walk([(batch["speech"], batch["speech_lengths"])]), weights, strict=True
    ):
        own = (
            model.exit_heads[str(exit.layer)].linear
            if str(exit.layer) in model.exit_heads
            else None
        )
        assert (own is None) == (heads == "shared" or exit.last)
        log_probs = (own or model.ctc.ctc_lo)(exit.hidden).log_softmax(-1)
        rows = [
            functional.ctc_loss(
                log_probs[row, :t], batch["text"][row, :u], (t,), (u,), reduction="sum"
            )
            for row, (t, u) in enumerate(
                zip(exit.lengths.tolist(), batch["text_lengths"].tolist(), strict=True)
            )
        ]
        mean = torch.stack(rows).mean()
        torch.testing.assert_close(
            stats[f"loss_exit{exit.layer:02d}"][0], mean, atol=1e-3, rtol=1e-4
        )
        by_hand = by_hand + weight * mean
    torch.testing.assert_close(loss[0], by_hand, atol=1e-3, rtol=1e-4)
    assert stats["loss"] == loss
    assert stats["loss_ctc"] == stats["loss_exit06"]


def gradients(model, batch):
    """Names of parameters with a gradient that is not all zero."""
    model.train()(**batch)[0].backward()
    return {n for n, p in model.named_parameters() if p.grad is not None and p.grad.any()}


def test_every_head_learns(batch, tmp_path):
    model = still_model(tmp_path)
    learning = gradients(model, batch)
    # Batch normalisation subtracts the bias before it; that of keys shifts all scores of a query
    # alike: their gradients are zero but for rounding.
    idle = {n for n, _ in model.named_parameters()} - learning
    assert all("depthwise_conv.bias" in n or "linear_k.bias" in n for n in idle)
    assert {
        "exit_heads.2.linear.weight",
        "exit_heads.4.linear.bias",
        "ctc.ctc_lo.weight",
    } <= learning


def test_a_weight_of_zero_teaches_nothing(batch, tmp_path):
    model = still_model(tmp_path, model_conf={"exit_weights": [0.0, 1.0, 0.0]})
    learning = gradients(model, batch)
    assert "exit_heads.4.linear.weight" in learning
    assert not any(n.startswith(("exit_heads.2.", "ctc.")) for n in learning)
    blocks = {int(n.split(".")[2]) for n in learning if n.startswith("encoder.encoders.")}
    assert blocks == {0, 1, 2, 3}, "blocks above exit 4 see no loss"


def test_frozen_heads_stay(batch, tmp_path):
    model = still_model(tmp_path)
    model.exit_heads.requires_grad_(False)
    learning = gradients(model, batch)
    assert not any(n.startswith("exit_heads.") for n in learning)
    assert "ctc.ctc_lo.weight" in learning and "encoder.encoders.0.norm_ff.weight" in learning


def test_a_shared_head_learns_from_every_exit(batch, tmp_path):
    """Its gradient is the weighted sum of what each exit alone would give it."""
    weights = (1.0, 0.5, 2.0)

    def head_gradient(exit_weights):
        conf = {"exit_heads": "shared", "exit_weights": list(exit_weights)}
        model = still_model(tmp_path, model_conf=conf)
        assert len(model.exit_heads) == 0
        model.eval()(**batch)[0].backward()
        return model.ctc.ctc_lo.weight.grad

    alone = [
        head_gradient([w if i == index else 0.0 for i, w in enumerate(weights)])
        for index in range(3)
    ]
    torch.testing.assert_close(head_gradient(weights), sum(alone), atol=1e-3, rtol=1e-4)


def test_validation_reports_an_error_rate_per_exit(batch, tmp_path):
    _, stats, _ = still_model(tmp_path).eval()(**batch)
    assert {"cer_exit02", "cer_exit04", "cer_exit06", "cer_ctc"} <= set(stats)
    assert stats["cer_ctc"] == stats["cer_exit06"] > 0


def test_padding_of_the_text_is_ignored(batch, tmp_path):
    model = still_model(tmp_path)
    wider = functional.pad(batch["text"], (0, 3), value=5)
    torch.testing.assert_close(model(**{**batch, "text": wider})[0], model(**batch)[0])
