"""Another model that teaches: frozen, in evaluation mode, and never saved with its student."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from espnet_ee.errors import ConfigError
from espnet_ee.losses import Teacher


class FrozenTeacher:
    """The last exit of a trained experiment.

    No ``nn.Module``, so that ``train()``, ``state_dict()`` and the optimiser of the student pass
    it by. Loaded when first asked: a student is decoded without its teacher.

    Args:
        exp: Experiment folder.
        token_list: Of the student; the teacher's must be the same.
    """

    def __init__(self, exp: str, token_list: list[str]) -> None:
        self.exp, self.token_list = Path(exp), token_list
        self._model: Any = None

    @torch.no_grad()
    def __call__(self, speech: Tensor, speech_lengths: Tensor) -> Teacher:
        """What the teacher says of ``(B, N)`` samples.

        Raises:
            ConfigError: No such experiment, or another vocabulary.
            CheckpointError: Its weights cannot be read.
        """
        if self._model is None:
            self._model = self._load(speech.device)
        model = self._model
        *_, last = model.walk([model.speech_features(speech, speech_lengths)])
        return Teacher(model.exit_logits(last.layer, last.hidden, last.lengths), last.lengths)

    def _load(self, device: torch.device) -> Any:
        # checkpoint.py imports the model, which imports this file.
        from espnet_ee.host.checkpoint import find_checkpoint, load_model

        loaded = load_model(self.exp / "config.yaml", find_checkpoint(self.exp), str(device))
        if list(loaded.args.token_list) != self.token_list:
            raise ConfigError(
                "the teacher has another vocabulary than its student.",
                got=f"{len(loaded.args.token_list)} tokens in {self.exp}",
                want=f"the student's {len(self.token_list)}, in the same order",
                fix="train both with the same token list",
            )
        model = loaded.model
        model.requires_grad_(False)
        return model
