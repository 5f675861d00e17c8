"""Exit heads: built by name, sized as said."""

from __future__ import annotations

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.heads import HEADS, build_head, num_parameters

PARAMETERS = {
    "linear": 12 * 7 + 7,
    "linear_norm": 12 * 7 + 7 + 24,
    # projection, attention, feed-forward, two normalisations, linear
    "attention": (12 * 8 + 8) + 4 * (8 * 8 + 8) + (8 * 10 + 10 + 10 * 8 + 8) + 2 * 16 + (8 * 7 + 7),
    "bilstm": 2 * (4 * 5 * (12 + 5) + 2 * 4 * 5) + (10 * 7 + 7),
}
CONF = {"attention": {"units": 8, "heads": 2, "linear_units": 10}, "bilstm": {"units": 5}}


@pytest.mark.parametrize("name", HEADS)
def test_shapes_and_parameters(name):
    head = build_head(name, CONF.get(name, {}), 12, 7, 0.1).eval()
    assert num_parameters(head) == PARAMETERS[name]
    assert head(torch.randn(2, 9, 12), torch.tensor([9, 4])).shape == (2, 9, 7)
    assert head.flops(10) > 0


@pytest.mark.parametrize("name", ["attention", "bilstm"])
def test_padding_is_not_read(name):
    head = build_head(name, CONF[name], 12, 7, 0.0).eval()
    hidden, lengths = torch.randn(2, 9, 12), torch.tensor([9, 4])
    noisy = hidden.clone()
    noisy[1, 4:] = 1e3
    torch.testing.assert_close(head(noisy, lengths)[1, :4], head(hidden[1:, :4], lengths[1:])[0])


@pytest.mark.parametrize(
    ("name", "conf", "text"),
    [
        ("liner", {}, "did you mean linear?"),
        ("bilstm", {"unit": 5}, "did you mean units?"),
        ("linear", {"units": 5}, "no such option"),
        ("attention", {"units": 9, "heads": 2}, "does not divide"),
    ],
)
def test_wrong_options_say_so(name, conf, text):
    with pytest.raises(ConfigError) as error:
        build_head(name, conf, 12, 7, 0.0)
    assert text in str(error.value)
