"""What each exit is told in training, and how their losses become one number."""

from espnet_ee.losses.ctc import ctc_losses
from espnet_ee.losses.distillation import Distillation, Teacher, build_distillation
from espnet_ee.losses.weighting import (
    ExitWeighting,
    build_weighting,
    exit_weights,
    sentence_confidence,
)

__all__ = [
    "Distillation",
    "ExitWeighting",
    "Teacher",
    "build_distillation",
    "build_weighting",
    "ctc_losses",
    "exit_weights",
    "sentence_confidence",
]
