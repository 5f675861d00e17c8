"""A language model trained by ESPnet (recipe stages 6 to 8), for shallow fusion in the search.

Source: Gulcehre et al. 2015, "On using monolingual corpora in neural machine translation".
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from espnet_ee.data.files import file_and_sum
from espnet_ee.errors import ConfigError
from espnet_ee.host.checkpoint import check_states, read_settings, read_states
from espnet_ee.host.compat import LMTask


@dataclass(frozen=True)
class LanguageModelFiles:
    """Where a language model is.

    Attributes:
        checkpoint: Its parameters, e.g. ``exp/lm_train_lm_en_bpe256/valid.loss.ave.pth``.
        config: ``config.yaml`` of its training; None: the one beside the parameters.
    """

    checkpoint: Path
    config: Path | None = None

    def __str__(self) -> str:
        return file_and_sum(self.checkpoint)


def load_language_model(
    files: LanguageModelFiles, token_list: Sequence[str], device: Any = "cpu"
) -> Any:
    """The scorer of ESPnet's search, in evaluation mode.

    Args:
        files: Where it is.
        token_list: Of the recogniser; the same tokens in the same order.
        device: Of torch.

    Raises:
        ConfigError: The configuration is missing or damaged, or its tokens are others.
        CheckpointError: The parameters are missing, damaged, or of another model.
    """
    config = files.config or files.checkpoint.with_name("config.yaml")
    settings = read_settings(config, {"lm", "lm_conf", "model", "model_conf", "token_list"})
    _check_tokens(settings["token_list"], token_list, config)
    states = read_states(files.checkpoint)
    try:
        model = LMTask.build_model(argparse.Namespace(**settings))
    except (TypeError, ValueError, AttributeError) as error:
        raise ConfigError(f"the model of {config} cannot be built.", got=str(error)) from error
    check_states(states, model.state_dict(), files.checkpoint)
    model.load_state_dict(states)
    return model.lm.to(device).eval()


def _check_tokens(found: Sequence[str], wanted: Sequence[str], config: Path) -> None:
    if list(found) == list(wanted):
        return
    pairs = zip(found, wanted, strict=False)
    differing = next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(found), len(wanted)))
    raise ConfigError(
        f"the language model of {config} has other tokens than the recogniser.",
        got=f"{len(found)} tokens, token {differing} is {[*found, None][differing]!r}",
        want=f"{len(wanted)} tokens, token {differing} is {[*wanted, None][differing]!r}",
        fix="train it with the recogniser's token list (./run.sh --use_lm true, stages 6 to 8)",
    )
