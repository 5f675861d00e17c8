"""Law 7: weights of ESPnet's encoders load strictly and give the same output."""

from __future__ import annotations

import pytest
import torch
from model_factory import ABSOLUTE, make_features, randomise

from espnet_ee.host.compat import (
    StockConformerEncoder,
    StockEBranchformerEncoder,
    StockTransformerEncoder,
)
from espnet_ee.host.conformer import EarlyExitConformerEncoder
from espnet_ee.host.e_branchformer import EarlyExitEBranchformerEncoder
from espnet_ee.host.transformer import EarlyExitTransformerEncoder

STACK = {
    "input_size": 40,
    "output_size": 16,
    "attention_heads": 2,
    "linear_units": 24,
    "num_blocks": 4,
    "interctc_layer_idx": [1, 3],
}
SIZES = {**STACK, "cnn_module_kernel": 7, "rel_pos_type": "latest"}
CONFORMERS = {
    "plain": {},
    "macaron": {"macaron_style": True},
    "concat_after": {"concat_after": True},
    "post-norm": {"normalize_before": False, "macaron_style": True},
    "post-norm concat_after": {"normalize_before": False, "concat_after": True},
    "abs_pos": ABSOLUTE,
    "no cnn": {"use_cnn_module": False, "macaron_style": True},
    "relu": {"activation_type": "relu"},
    "stochastic depth": {"stochastic_depth_rate": 0.3},
}
TRANSFORMERS = {
    "plain": {},
    "post-norm": {"normalize_before": False},
    "concat_after": {"concat_after": True},
    "post-norm concat_after": {"normalize_before": False, "concat_after": True},
}
BRANCHFORMERS = {
    "plain": {},
    "ffn": {"use_ffn": True},
    "macaron": {"use_ffn": True, "macaron_ffn": True, "merge_conv_kernel": 5},
    "linear gate": {"use_linear_after_conv": True, "gate_activation": "swish"},
    "abs_pos": {"pos_enc_layer_type": "abs_pos", "attention_layer_type": "selfattn"},
}
BRANCHFORMER_SIZES = {
    **STACK,
    "rel_pos_type": "latest",
    "cgmlp_linear_units": 28,
    "cgmlp_conv_kernel": 7,
}
PAIRS = {
    f"{title} {name}": (stock, ours, {**sizes, **options})
    for title, stock, ours, sizes, variants in (
        ("conformer", StockConformerEncoder, EarlyExitConformerEncoder, SIZES, CONFORMERS),
        ("transformer", StockTransformerEncoder, EarlyExitTransformerEncoder, STACK, TRANSFORMERS),
        (
            "e_branchformer",
            StockEBranchformerEncoder,
            EarlyExitEBranchformerEncoder,
            BRANCHFORMER_SIZES,
            BRANCHFORMERS,
        ),
    )
    for name, options in variants.items()
}


@pytest.fixture(scope="module", params=PAIRS.values(), ids=PAIRS)
def pair(request):
    stock_class, our_class, options = request.param
    torch.manual_seed(0)
    stock = stock_class(**options)
    randomise(stock)
    ours = our_class(**options)
    ours.load_state_dict(stock.state_dict(), strict=True)
    return stock.eval(), ours.eval()


@pytest.mark.parametrize("lengths", [[120], [61], [200, 200, 200]], ids=str)
@torch.inference_mode()
def test_same_output_at_every_exit(lengths, pair):
    features, lengths = make_features(lengths)
    (stock_last, stock_below), stock_lengths, _ = pair[0](features, lengths)
    (last, below), out_lengths, states = pair[1](features, lengths)
    assert states is None
    assert out_lengths.tolist() == [stock_last.shape[1]] * len(lengths)
    # 202511 counts one frame too many for some lengths; the frames it computes are right.
    assert [layer for layer, _ in below] == [layer for layer, _ in stock_below] == [1, 3]
    if isinstance(pair[0], StockEBranchformerEncoder):  # which forgets to normalise its exits
        stock_below = [(layer, pair[0].after_norm(hidden)) for layer, hidden in stock_below]
    for (_, ours), (_, theirs) in zip(
        [*below, (4, last)], [*stock_below, (4, stock_last)], strict=True
    ):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_same_parameters_by_name_and_shape(pair):
    stock, ours = (encoder.state_dict() for encoder in pair)
    stock = {spelt_as_202511(key): value for key, value in stock.items()}
    assert {k: v.shape for k, v in stock.items()} == {k: v.shape for k, v in ours.items()}


def spelt_as_202511(key):
    """The one name that 202611 changed."""
    return key.replace("embed.out.", "embed.out.0.") if "embed.out.0." not in key else key


@pytest.mark.parametrize("spelling", ["embed.out.0.", "embed.out."])
def test_both_releases_spellings_load(spelling):
    ours = EarlyExitConformerEncoder(**SIZES)
    states = {key: torch.randn_like(v) if v.ndim else v for key, v in ours.state_dict().items()}
    spelt = {key.replace("embed.out.0.", spelling): value for key, value in states.items()}
    before = set(spelt)
    ours.load_state_dict(spelt, strict=True)
    torch.testing.assert_close(dict(ours.state_dict()), states, atol=0, rtol=0)
    assert set(spelt) == before, "the caller's dictionary is left alone"


@pytest.mark.parametrize(
    "options", [{}, {"macaron_style": True}, ABSOLUTE], ids=["plain", "macaron", "abs"]
)
def test_same_gradients(options):
    """Fine-tuning starts where ESPnet's would: same gradient of every weight, dropout off."""
    torch.manual_seed(0)
    sizes = {**SIZES, "interctc_layer_idx": [], "dropout_rate": 0.0, "positional_dropout_rate": 0.0}
    stock = StockConformerEncoder(**sizes, **options)
    randomise(stock)
    ours = EarlyExitConformerEncoder(**sizes, **options)
    ours.load_state_dict(stock.state_dict())
    features, lengths = make_features([80, 80])
    target = torch.randn(2, 19, 16, generator=torch.Generator().manual_seed(1))
    for encoder in (stock.train(), ours.train()):
        (encoder(features, lengths)[0] * target).sum().backward()
    theirs = {spelt_as_202511(name): p for name, p in stock.named_parameters()}
    for name, parameter in ours.named_parameters():
        torch.testing.assert_close(
            parameter.grad,
            theirs[name].grad,
            atol=1e-4,
            rtol=1e-3,
            msg=lambda m, n=name: f"{n}: {m}",
        )
    torch.testing.assert_close(dict(ours.named_buffers()), dict(stock.named_buffers()))


def test_foreign_keys_raise_with_their_names():
    plain = EarlyExitConformerEncoder(**SIZES)
    macaron = StockConformerEncoder(**SIZES, macaron_style=True)
    with pytest.raises(RuntimeError, match="Unexpected key.*feed_forward_macaron"):
        plain.load_state_dict(macaron.state_dict())
    states = plain.state_dict()
    del states["encoders.2.self_attn.pos_bias_u"]
    with pytest.raises(RuntimeError, match=r"Missing key.*encoders\.2\.self_attn\.pos_bias_u"):
        plain.load_state_dict(states)


def test_without_exits_below_the_output_is_espnets_plain_one():
    encoder = EarlyExitConformerEncoder(**{**SIZES, "interctc_layer_idx": []}).eval()
    features, lengths = make_features([60])
    with torch.inference_mode():
        out, out_lengths, _ = encoder(features, lengths)
    assert out.shape == (1, 14, 16) and out_lengths.tolist() == [14]
    assert encoder.interctc_layer_idx == [] and encoder.exit_layers == (4,)
