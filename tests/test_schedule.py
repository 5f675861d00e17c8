"""Which exits learn in a step, and when the body rests."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

from espnet_ee.errors import ConfigError
from espnet_ee.schedule import StepSchedule


def steps(schedule, count):
    """The exits that learn in each of so many steps."""
    found = []
    for _ in range(count):
        found.append(schedule.learning_exits())
        schedule.advance()
    return found


def test_joint_trains_all_exits_and_keeps_no_count():
    schedule = StepSchedule("joint", 3, 0)
    assert steps(schedule, 3) == [(0, 1, 2)] * 3
    assert not schedule.state_dict() and not schedule.may_skip_parameters


def test_alternating_is_the_last_exit_in_every_other_step():
    schedule = StepSchedule("alternating", 3, 0)
    assert steps(schedule, 4) == [(2,), (0, 1, 2), (2,), (0, 1, 2)]


def test_random_exits_are_uniform_and_the_same_in_every_process():
    one, other = (StepSchedule("random_exit", 3, 0) for _ in range(2))
    torch.manual_seed(1)
    drawn = steps(one, 3000)
    torch.manual_seed(2)
    assert steps(other, 3000) == drawn
    counts = Counter(drawn)
    assert set(counts) == {(0,), (1,), (2,)} and min(counts.values()) > 900


def test_a_resumed_training_goes_on_where_it_was():
    schedule = StepSchedule("random_exit", 3, 0)
    whole = steps(schedule, 20)
    first = StepSchedule("random_exit", 3, 0)
    half = steps(first, 10)
    second = StepSchedule("random_exit", 3, 0)
    second.load_state_dict(first.state_dict())
    assert half + steps(second, 10) == whole


def test_evaluation_sees_all_exits_and_counts_nothing():
    schedule = StepSchedule("alternating", 3, 5).eval()
    assert steps(schedule, 3) == [(0, 1, 2)] * 3
    assert int(schedule.steps) == 0 and not schedule.body_rests()


def test_the_body_rests_for_so_many_steps():
    schedule = StepSchedule("joint", 2, 3)
    rests = []
    for _ in range(5):
        rests.append(schedule.body_rests())
        schedule.advance()
    assert rests == [True, True, True, False, False]
    assert schedule.may_skip_parameters


def test_accumulated_gradients_are_one_step():
    """An update that mixed both kinds of steps would be joint training in disguise."""
    schedule = StepSchedule("alternating", 3, 1)
    schedule.start(accum_grad=2)
    rests = []
    found = []
    for _ in range(6):
        found.append(schedule.learning_exits())
        rests.append(schedule.body_rests())
        schedule.advance()
    assert found == [(2,)] * 2 + [(0, 1, 2)] * 2 + [(2,)] * 2
    assert rests == [True] * 2 + [False] * 4


def test_a_new_training_forgets_the_count_that_came_with_the_weights():
    schedule = StepSchedule("joint", 3, 2)
    steps(schedule, 5)
    schedule.start(accum_grad=1)
    assert schedule.body_rests()


@pytest.mark.parametrize(
    ("strategy", "updates", "text"),
    [
        ("jiont", 0, "did you mean joint?"),
        ("joint", -1, "freeze_body_updates"),
        ("joint", 0.5, "freeze_body_updates"),
    ],
)
def test_wrong_options_say_so(strategy, updates, text):
    with pytest.raises(ConfigError) as error:
        StepSchedule(strategy, 3, updates)
    assert text in str(error.value)
