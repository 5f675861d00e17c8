"""Which exits learn in a training step, and whether the body rests."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from espnet_ee.errors import ConfigError
from espnet_ee.spelling import nearest

STRATEGIES = ("joint", "alternating", "random_exit")


class StepSchedule(nn.Module):
    """Counts training steps, where the strategy depends on them, and picks the exits that learn.

    A step is one update of the weights. The count is saved with the model, so a resumed training
    goes on where it was, and all processes of a distributed one draw alike.

    Args:
        strategy: ``joint``: all exits in every step. ``alternating``: the last exit alone in
            every other step, all exits in the steps between (BERxiT, Xin et al. 2021).
            ``random_exit``: one exit per step, drawn uniformly; blocks above it do not run.
        num_exits: ``E``.
        freeze_body_updates: Steps at the start in which stem and blocks rest.

    Raises:
        ConfigError: Unknown strategy or a negative number.
    """

    steps: Tensor
    accum_grad = 1  # forward passes per update; the trainer sets it

    def __init__(self, strategy: str, num_exits: int, freeze_body_updates: int) -> None:
        super().__init__()
        if strategy not in STRATEGIES:
            raise ConfigError(
                f"there is no training strategy {strategy!r}{nearest(str(strategy), STRATEGIES)}.",
                want=" or ".join(STRATEGIES),
            )
        if not isinstance(freeze_body_updates, int) or freeze_body_updates < 0:
            raise ConfigError(
                "model_conf.freeze_body_updates is no number of steps.",
                got=repr(freeze_body_updates),
                want="0 or more",
            )
        self.strategy, self.num_exits = strategy, num_exits
        self.freeze_body_updates = freeze_body_updates
        if self.counts:
            self.register_buffer("steps", torch.zeros((), dtype=torch.long))  # forward passes

    @property
    def counts(self) -> bool:
        """Whether anything depends on the number of the step."""
        return self.strategy != "joint" or self.freeze_body_updates > 0

    @property
    def updates(self) -> int:
        """Updates so far."""
        return int(self.steps) // self.accum_grad

    def start(self, accum_grad: int) -> None:
        """A training begins: counts of another one, come by ``--init_param``, are forgotten."""
        self.accum_grad = accum_grad
        if self.counts:
            self.steps.zero_()

    @property
    def may_skip_parameters(self) -> bool:
        """Whether a step may leave trained parameters without a gradient."""
        return self.counts

    def learning_exits(self) -> tuple[int, ...]:
        """Indices of the exits that learn in this step, from shallow to deep; all in evaluation."""
        everyone = tuple(range(self.num_exits))
        if not self.training or self.strategy == "joint":
            return everyone
        step = self.updates
        if self.strategy == "alternating":
            return everyone if step % 2 else everyone[-1:]
        draw = torch.Generator().manual_seed(step)
        return (int(torch.randint(self.num_exits, (), generator=draw)),)

    def body_rests(self) -> bool:
        """Whether stem and blocks are frozen in this step."""
        return self.training and self.counts and self.updates < self.freeze_body_updates

    def advance(self) -> None:
        """One forward pass in training mode is done."""
        if self.training and self.counts:
            self.steps += 1
