"""Exit layers and the batch in flight; the walk itself is tested by the laws."""

from __future__ import annotations

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.exits import Frames, batch_positions, check_exit_layers


@pytest.mark.parametrize(
    ("layers", "num_blocks", "checked"),
    [((), 6, (6,)), ((2, 4), 6, (2, 4, 6)), ((2, 4, 6), 6, (2, 4, 6)), ((1,), 1, (1,))],
)
def test_the_last_block_is_always_an_exit(layers, num_blocks, checked):
    assert check_exit_layers(layers, num_blocks) == checked


@pytest.mark.parametrize(
    ("layers", "num_blocks", "message"),
    [
        (
            (2, 8, 14),
            12,
            """encoder_conf.exit_layers is [14] outside 1..12.
  got:  exit_layers=[2, 8, 14], num_blocks=12
  want: increasing 1-based block numbers, e.g. [4, 8, 12]
  fix:  --encoder_conf exit_layers=[4,8,12]""",
        ),
        ((0, 2), 2, "encoder_conf.exit_layers is [0] outside 1..2."),
        ((-1,), 6, "encoder_conf.exit_layers is [-1] outside 1..6."),
        ((4, 2), 6, "encoder_conf.exit_layers is not increasing."),
        ((2, 2), 6, "encoder_conf.exit_layers is not increasing."),
    ],
)
def test_wrong_layers_say_so(layers, num_blocks, message):
    with pytest.raises(ConfigError) as error:
        check_exit_layers(layers, num_blocks)
    assert str(error.value).startswith(message)


@pytest.mark.parametrize("num_blocks", [1, 2, 3, 4, 6, 17])
def test_the_example_in_the_message_is_itself_right(num_blocks):
    with pytest.raises(ConfigError) as error:
        check_exit_layers((99,), num_blocks)
    example = str(error.value).rpartition("exit_layers=")[2]
    layers = tuple(int(layer) for layer in example.strip("[]").split(","))
    assert check_exit_layers(layers, num_blocks) == layers


def test_selecting_frames():
    hidden = torch.randn(3, 5, 2)
    frames = Frames(hidden, torch.tensor([5, 2, 3]), torch.tensor([7, 8, 9]))
    kept = frames.select(torch.tensor([False, True, True]))
    assert kept.hidden.equal(hidden[1:, :3])
    assert kept.lengths.tolist() == [2, 3] and kept.utterances.tolist() == [8, 9]
    nobody = frames.select(torch.zeros(3, dtype=torch.bool))
    assert nobody.hidden.shape == (0, 0, 2) and len(nobody.utterances) == 0


def test_batch_positions():
    assert batch_positions(torch.zeros(3, 2)).tolist() == [0, 1, 2]
