"""Law 8 for strategies: what should move moves; what is frozen does not, bit for bit."""

from __future__ import annotations

import copy

import pytest
import torch
from model_factory import BACKBONES, HEAD_CONFS, make_experiment, make_features, make_model

from espnet_ee.errors import ConfigError
from espnet_ee.host.exit_decoders import attention_layers

DECODER = {
    "decoder": "transformer",
    "decoder_conf": {"attention_heads": 2, "linear_units": 24, "num_blocks": 1},
}


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


def build(folder, **changes):
    return make_model(folder, input_size=40, normalize=None, **changes)


def moved(model, batch, steps=1):
    """Names of parameters and buffers that so many steps change."""
    before = copy.deepcopy(model.state_dict())
    trained = [p for p in model.parameters() if p.requires_grad]
    optimiser = torch.optim.SGD(trained, lr=0.01)
    for _ in range(steps):
        optimiser.zero_grad()
        model.train()(**batch)[0].backward()
        optimiser.step()
    after = model.state_dict()
    return {name for name in before if not before[name].equal(after[name])}


def blocks_in(names):
    """Layers whose parameters are among them; running statistics follow the data, not the loss."""
    statistics = ("running_mean", "running_var", "num_batches_tracked")
    learnt = [n for n in names if n.startswith("encoder.encoders.") and not n.endswith(statistics)]
    return {int(n.split(".")[2]) + 1 for n in learnt}


@pytest.mark.parametrize("head", HEAD_CONFS)
@pytest.mark.parametrize("encoder", BACKBONES)
def test_joint_training_moves_every_block_and_head(encoder, head, batch, tmp_path):
    model = build(tmp_path, encoder=encoder, model_conf=HEAD_CONFS[head])
    names = moved(model, batch)
    assert blocks_in(names) == {1, 2, 3, 4, 5, 6}
    assert "ctc.ctc_lo.weight" in names
    heads = {n.split(".")[1] for n in names if n.startswith("exit_heads.")}
    assert heads == (set() if head == "shared" else {"2", "4"})


@pytest.mark.parametrize("encoder", BACKBONES)
def test_a_frozen_backbone_rests_bit_for_bit_while_its_branches_learn(encoder, batch, tmp_path):
    """Two-stage training and retrofitting: ``--freeze_param encoder ctc``."""
    model = build(tmp_path, encoder=encoder)
    for part in (model.encoder, model.ctc):
        part.requires_grad_(False)
    names = moved(model, batch, steps=3)
    assert names == {n for n in model.state_dict() if n.startswith("exit_heads.")}
    assert not model.encoder.training and model.exit_heads.training


def test_the_body_rests_for_the_first_steps(batch, tmp_path):
    model = build(tmp_path, model_conf={"freeze_body_updates": 2})
    assert not any(n.startswith("encoder.") for n in moved(model, batch, steps=2)), "statistics too"
    assert blocks_in(moved(model, batch)) == {1, 2, 3, 4, 5, 6}
    assert model.encoder.training


def test_alternating_steps(batch, tmp_path):
    model = build(tmp_path, model_conf={"training_strategy": "alternating"})
    first = moved(model, batch)
    assert "ctc.ctc_lo.weight" in first and not any(n.startswith("exit_heads.") for n in first)
    assert any(n.startswith("exit_heads.2.") for n in moved(model, batch))


def test_a_random_exit_learns_alone_and_nothing_above_it_runs(batch, tmp_path):
    model = build(tmp_path, model_conf={"training_strategy": "random_exit"})
    for _ in range(6):
        [wanted] = model.train().schedule.learning_exits()
        layer = model.encoder.exit_layers[wanted]
        names = moved(model, batch)
        assert blocks_in(names) == set(range(1, layer + 1))
        assert ("ctc.ctc_lo.weight" in names) == (layer == 6)


def test_dropped_blocks_leave_exits_where_they_are(batch, tmp_path):
    model = build(tmp_path, encoder_conf={"layer_drop_rate": [0.0, 0.0, 0.999, 0.999, 0.0, 0.0]})
    torch.manual_seed(0)
    names = moved(model, batch)
    assert blocks_in(names) == {1, 2, 5, 6}, "blocks 3 and 4 were dropped"
    assert any(n.startswith("exit_heads.4.") for n in names), "the exit above them still learns"
    assert model.may_skip_parameters
    with torch.inference_mode():
        exits = list(model.eval().walk([(batch["speech"], batch["speech_lengths"])]))
    assert [exit.layer for exit in exits] == [2, 4, 6]
    assert not exits[0].hidden.equal(exits[1].hidden), "nothing is dropped in evaluation"


def test_layer_drop_drops_as_often_as_it_says(batch, tmp_path):
    model = build(tmp_path, encoder_conf={"layer_drop_rate": 0.3}).train()
    ran = [0]
    for block in model.encoder.encoders:
        block.register_forward_hook(lambda *_: ran.__setitem__(0, ran[0] + 1))
    torch.manual_seed(0)
    with torch.no_grad():
        for _ in range(60):
            model(**batch)
    assert 0.62 < ran[0] / (60 * 6) < 0.78


@pytest.mark.parametrize("rule", ["uncertainty", "confidence", "inverse_confidence", "depth"])
def test_every_weighting_trains(rule, batch, tmp_path):
    model = build(tmp_path, model_conf={"exit_weights": rule})
    names = moved(model, batch)
    assert blocks_in(names) == {1, 2, 3, 4, 5, 6}
    assert ("weighting.log_variance" in names) == (rule == "uncertainty")


@pytest.mark.parametrize("kind", ["sequence", "frame"])
def test_the_last_exit_teaches_without_learning_from_it(kind, batch, tmp_path):
    """With every share at 1 the exits below learn from the last one, which gets nothing back."""
    conf = {"distillation": kind, "distillation_conf": {"share": 1.0}, "exit_weights": [1, 1, 0]}
    names = moved(build(tmp_path, model_conf=conf), batch)
    assert any(n.startswith("exit_heads.2.") for n in names)
    assert "ctc.ctc_lo.weight" not in names and blocks_in(names) == {1, 2, 3, 4}


def test_a_frozen_teacher_is_unsaved_untrained_and_in_evaluation_mode(batch, tmp_path):
    features = {"input_size": 40, "frontend": None, "frontend_conf": {}, "normalize": None}
    exp = make_experiment(tmp_path / "teacher", **features)
    conf = {"distillation": "frame", "distillation_conf": {"teacher": str(exp)}}
    model = make_model(tmp_path, seed=1, model_conf=conf, **features)
    moved(model, batch, steps=2)
    teacher = model.frozen_teacher._model
    assert not any("teacher" in name for name in model.state_dict())
    assert not any(part.training for part in teacher.encoder.modules())
    assert not any(part.training for part in teacher.exit_heads.modules())
    assert not any(p.requires_grad for p in teacher.parameters())
    saved = torch.load(exp / "valid.cer_ctc.ave.pth", weights_only=True)
    assert all(saved[name].equal(value) for name, value in teacher.state_dict().items())
    model.eval()(**batch)  # validation asks no teacher


@pytest.mark.parametrize("kind", ["own", "shared"])
def test_attention_at_several_exits(kind, batch, tmp_path):
    conf = {"ctc_weight": 0.3, "attention_exits": [4, 6], "exit_decoders": kind}
    model = build(tmp_path, model_conf=conf, **DECODER)
    loss, stats, _ = model.eval()(**batch)
    assert {"loss_att_exit04", "loss_att_exit06", "acc_exit04"} <= set(stats)
    assert "loss_att_exit02" not in stats
    ctc = sum(stats[f"loss_exit{n:02d}"] for n in (2, 4, 6))
    attention = stats["loss_att_exit04"] + stats["loss_att_exit06"]
    torch.testing.assert_close(loss, 0.3 * ctc + 0.7 * attention)
    names = moved(model, batch)
    assert any(n.startswith("decoder.decoders.") for n in names)
    part = "decoders.4." if kind == "own" else "adapters.4."
    assert any(n.startswith(f"exit_attention.{part}") for n in names)
    if kind == "own":
        own = model.exit_attention.decoders["4"]
        assert own is not model.decoder
        pairs = zip(own.parameters(), model.decoder.parameters(), strict=True)
        assert any(not a.equal(b) for a, b in pairs), "each starts from weights of its own"


@pytest.mark.parametrize(
    ("choice", "layers"), [("last", (6,)), ("all", (2, 4, 6)), ([6, 4], (4, 6)), ([6], (6,))]
)
def test_exits_with_attention(choice, layers):
    assert attention_layers(choice, (2, 4, 6), True) == layers
    assert attention_layers(choice, (2, 4, 6), False) == ()


@pytest.mark.parametrize("choice", ["lst", [2], [3, 6], [], 4])
def test_wrong_exits_with_attention(choice):
    with pytest.raises(ConfigError, match="attention_exits does not fit"):
        attention_layers(choice, (2, 4, 6), True)


@pytest.mark.parametrize(
    ("conf", "text"),
    [
        ({"exit_heads": "shared", "exit_head": "bilstm"}, "exit_head has no effect"),
        ({"exit_heads": "shard"}, "exit_heads is 'shard' (want own or shared)"),
        ({"attention_exits": "all"}, "attention_exits has no effect with ctc_weight: 1.0"),
        ({"exit_decoders": "shared"}, "exit_decoders has no effect with ctc_weight: 1.0"),
        ({"exit_decoders": "both"}, "exit_decoders is 'both'"),
        ({"distillation_conf": {"teacher": "exp"}}, "distillation_conf has no effect"),
        (
            {"distillation": "sequence", "training_strategy": "random_exit"},
            "the last exit cannot teach others",
        ),
    ],
)
def test_options_that_would_do_nothing_are_refused(conf, text, tmp_path):
    with pytest.raises(ConfigError) as error:
        build(tmp_path, model_conf=conf)
    assert text in str(error.value)


def test_weights_of_another_strategy_start_a_training(tmp_path):
    """``--init_param`` of a model with a step count and learned weights into one without."""
    rich = build(tmp_path, model_conf={"exit_weights": "uncertainty", "freeze_body_updates": 3})
    plain = build(tmp_path, seed=1)
    states = plain.state_dict()
    states.update(rich.state_dict())  # as ESPnet does
    plain.load_state_dict(states)
    assert plain.ctc.ctc_lo.weight.equal(rich.ctc.ctc_lo.weight)
    fewer = build(
        tmp_path,
        encoder_conf={"exit_layers": [6]},
        model_conf={"exit_weights": "uncertainty"},
    )
    foreign = {name: rich.state_dict()[name] for name in fewer.state_dict()}
    fewer.load_state_dict(foreign)
    assert fewer.weighting.log_variance.tolist() == [0.0]


def test_validation_reports_the_mean_rate_of_all_exits(batch, tmp_path):
    _, stats, _ = build(tmp_path).eval()(**batch)
    rates = [stats[f"cer_exit{layer:02d}"] for layer in (2, 4, 6)]
    assert stats["cer_exits"] == pytest.approx(sum(rates) / 3)


def test_a_frozen_last_head_rests_with_its_dropout(batch, tmp_path):
    model = build(tmp_path, ctc_conf={"dropout_rate": 0.5}).train()
    model.ctc.requires_grad_(False)
    model.train()
    hidden, lengths = torch.randn(1, 5, 16), torch.tensor([5])
    assert model.exit_logits(6, hidden, lengths).equal(model.exit_logits(6, hidden, lengths))
