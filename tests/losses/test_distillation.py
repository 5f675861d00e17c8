"""Learning from a teacher's text or posteriors beside the reference."""

from __future__ import annotations

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.losses import Teacher, build_distillation, ctc_losses

LENGTHS = torch.tensor([8, 5])


def logits(seed):
    return torch.randn(2, 8, 5, generator=torch.Generator().manual_seed(seed)) * 3


def teacher_saying(*texts):
    """Posteriors whose greedy paths are these texts, a blank after each label."""
    out = torch.full((2, 8, 5), -9.0)
    out[:, :, 0] = 0.0
    for row, text in enumerate(texts):
        for place, label in enumerate(text):
            out[row, 2 * place, label] = 9.0
    return Teacher(out, LENGTHS)


def mixed(distillation, exit_index, student, teacher):
    reference = torch.tensor([10.0, 20.0])
    return distillation.mix(exit_index, reference, student, LENGTHS, teacher)


def test_sequence_is_ctc_to_the_teachers_text():
    distillation = build_distillation("sequence", {"share": 0.7}, 3, own_teacher=True)
    student = logits(0)
    taught = ctc_losses(
        student, LENGTHS, torch.tensor([[1, 2, 3], [4, 4, 0]]), torch.tensor([3, 2])
    )
    found = mixed(distillation, 0, student, teacher_saying([1, 2, 3], [4, 4]))
    torch.testing.assert_close(found, 0.3 * torch.tensor([10.0, 20.0]) + 0.7 * taught)


def test_the_exit_that_teaches_learns_from_the_text_only():
    distillation = build_distillation("sequence", {}, 3, own_teacher=True)
    assert distillation.shares == (0.7, 0.7, 0.0)
    assert mixed(distillation, 2, logits(0), teacher_saying([1], [2])).tolist() == [10.0, 20.0]
    foreign = build_distillation("sequence", {}, 3, own_teacher=False)
    assert foreign.shares == (0.7, 0.7, 0.7)


def test_a_silent_teacher_teaches_nothing():
    distillation = build_distillation("sequence", {"share": 1.0}, 2, own_teacher=True)
    found = mixed(distillation, 0, logits(0), teacher_saying([], [3]))
    assert found[0] == 10.0 and found[1] != 20.0


def test_frame_is_the_divergence_over_real_frames():
    distillation = build_distillation("frame", {"share": 1.0, "temperature": 2.0}, 2, True)
    student, taught = logits(0).requires_grad_(), logits(1)
    found = mixed(distillation, 0, student, Teacher(taught, LENGTHS))
    p, q = (taught / 2).softmax(-1), (student / 2).softmax(-1)
    by_frame = (p * (p / q).log()).sum(-1)
    expected = 4 * torch.stack([by_frame[0].sum(), by_frame[1, :5].sum()])
    torch.testing.assert_close(found, expected)
    found.sum().backward()
    assert not student.grad[1, 5:].any() and student.grad[1, :5].any()
    alike = mixed(distillation, 0, taught, Teacher(taught, LENGTHS))
    torch.testing.assert_close(alike, torch.zeros(2), atol=1e-5, rtol=0)


def test_frames_that_do_not_match_say_so():
    distillation = build_distillation("frame", {}, 2, own_teacher=False)
    with pytest.raises(
        ConfigError, match=r"frame rate(.|\n)*\[4, 2\] frames, the student \[8, 5\]"
    ):
        mixed(distillation, 0, logits(0), Teacher(logits(1)[:, :4], torch.tensor([4, 2])))


def test_a_share_per_exit():
    shares = [0.35, 0.3, 0.0]
    distillation = build_distillation("sequence", {"share": shares}, 3, own_teacher=True)
    assert distillation.shares == tuple(shares)


@pytest.mark.parametrize(
    ("kind", "conf", "text"),
    [
        ("sequnce", {}, "did you mean sequence?"),
        ("sequence", {"temperature": 2}, "no such option"),
        ("frame", {"temprature": 2}, "did you mean temperature?"),
        ("none", {"share": 0.5}, "no such option"),
        ("frame", {"temperature": 0}, "not positive"),
        ("sequence", {"share": 1.5}, "share does not fit"),
        ("sequence", {"share": [0.5, 0.0]}, "[0.5, 0.0] for 3 exits"),
        ("sequence", {"share": [0.5, 0.5, 0.5]}, "the last exit is the teacher"),
    ],
)
def test_wrong_options_say_so(kind, conf, text):
    with pytest.raises(ConfigError) as error:
        build_distillation(kind, conf, 3, own_teacher=True)
    assert text in str(error.value)


def test_no_distillation_is_none():
    assert build_distillation("none", {}, 3, own_teacher=True) is None
