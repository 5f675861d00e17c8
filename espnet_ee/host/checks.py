"""What early exit cannot serve, and options that would do nothing, refused at construction."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from espnet_ee.errors import ConfigError
from espnet_ee.host.encoder import EarlyExitEncoder

HEAD_KINDS = ("own", "shared")
DECODER_KINDS = ("own", "shared")
# Values at which these options ask for nothing.
PLAIN = {
    "exit_head": "linear",
    "exit_head_conf": {},
    "attention_exits": "last",
    "exit_decoders": "own",
    "distillation_conf": {},
}


def check_parts(
    encoder: Any, postencoder: Any, joint_network: Any, ctc: Any, ctc_weight: float
) -> None:
    """Refuse parts of ESPnet that early exit cannot serve, all problems at once.

    Raises:
        ConfigError: There is one.
    """
    problems = []
    if not isinstance(encoder, EarlyExitEncoder):
        problems.append(
            f"encoder {type(encoder).__name__} has no exits (want one of ours, e.g. ee_conformer)"
        )
    if postencoder is not None:
        problems.append("a postencoder sees the last exit only (want postencoder: null)")
    if joint_network is not None:
        problems.append("transducers are not supported (want decoder: null)")
    if not 0.0 < ctc_weight <= 1.0:
        problems.append(f"ctc_weight is {ctc_weight} (want more than 0, at most 1)")
    if ctc.ctc_type != "builtin":
        problems.append(f"ctc_type is {ctc.ctc_type} (want builtin)")
    _refuse(problems)


def check_combinations(options: Mapping[str, Any], attends: bool) -> None:
    """Refuse options of ``model_conf`` that another one switches off, all problems at once.

    Args:
        options: By name.
        attends: Whether there is an attention decoder.

    Raises:
        ConfigError: There is one.
    """
    problems = []
    for name, kinds in (("exit_heads", HEAD_KINDS), ("exit_decoders", DECODER_KINDS)):
        if options[name] not in kinds:
            problems.append(f"{name} is {options[name]!r} (want {' or '.join(kinds)})")
    if options["exit_heads"] == "shared":
        problems += _idle(options, ("exit_head", "exit_head_conf"), "exit_heads: shared")
    if not attends:
        problems += _idle(options, ("attention_exits", "exit_decoders"), "ctc_weight: 1.0")
    elif options["attention_exits"] == "last":
        problems += _idle(options, ("exit_decoders",), "attention_exits: last")
    if options["distillation"] == "none":
        problems += _idle(options, ("distillation_conf",), "distillation: none")
    elif options["training_strategy"] == "random_exit" and not options["distillation_conf"].get(
        "teacher"
    ):
        problems.append("with training_strategy: random_exit the last exit cannot teach others")
    _refuse(problems)


def _idle(options: Mapping[str, Any], names: tuple[str, ...], because: str) -> list[str]:
    set_names = [name for name in names if options[name] != PLAIN[name]]
    return [f"{name} has no effect with {because}" for name in set_names]


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ConfigError("model ee_ctc_att cannot be built: " + "; ".join(problems) + ".")
