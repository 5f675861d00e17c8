"""A pre-trained checkpoint to the weights of our encoder: every key is there, fits, and is used."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

import torch
from torch import Tensor

from espnet_ee.errors import CheckpointError
from espnet_ee.ssl.architectures import ARCHITECTURES, Architecture
from espnet_ee.ssl.names import (
    LEFT_OUT,
    MASK_EMBEDDING,
    PROBES,
    their_names,
    unify_weight_norm,
)
from espnet_ee.ssl.sources import Source, open_checkpoint
from espnet_ee.state_keys import key_differences

logger = logging.getLogger(__name__)


def read_pretrained(
    checkpoint: str,
    checkpoint_format: str,
    sizes: Architecture,
    wanted: Mapping[str, Tensor],
    num_blocks: int,
) -> dict[str, Tensor]:
    """Weights for an encoder.

    Args:
        checkpoint: A file, a Hugging Face folder, or a bundle of ``torchaudio.pipelines``.
        checkpoint_format: ``auto``, or the format it must have.
        sizes: Of the network in the checkpoint.
        wanted: The encoder's own state dictionary.
        num_blocks: The lowest blocks, which the encoder has; those above stay unread.

    Returns:
        A tensor for each key of ``wanted``; a mask embedding that the checkpoint lacks is kept.

    Raises:
        CheckpointError: Missing, damaged, or of another network; the message names settings or
            keys, missing and unexpected ones in the file's own spelling.
        ConfigError: No such bundle.
    """
    source = open_checkpoint(checkpoint, checkpoint_format)
    check_settings(source, sizes)
    return translate(source, sizes, wanted, num_blocks)


def check_settings(source: Source, sizes: Architecture) -> None:
    """Compare what the file tells about itself with the network that is wanted.

    Shapes tell most sizes, but not heads, strides, or the place of normalisations.

    Raises:
        CheckpointError: They differ.
    """
    differing = {
        name: value for name, value in source.settings.items() if getattr(sizes, name) != value
    }
    if not differing:
        return
    fitting = [
        name
        for name, known in ARCHITECTURES.items()
        if all(getattr(known, key) == value for key, value in source.settings.items())
    ]
    raise CheckpointError(
        f"checkpoint {source.name} describes another network than encoder_conf.architecture.",
        got="; ".join(
            f"{name}: {value} in the file, {getattr(sizes, name)} here"
            for name, value in differing.items()
        ),
        fix=f"architecture: {' or '.join(fitting)}" if fitting else "set architecture_conf",
    )


def translate(
    source: Source, sizes: Architecture, wanted: Mapping[str, Tensor], num_blocks: int
) -> dict[str, Tensor]:
    """The file's parameters under our names; see ``read_pretrained``.

    Raises:
        CheckpointError: A key is missing, unexpected or of another shape.
    """
    prefix = _prefix(source)
    found = {unify_weight_norm(_relative(key, prefix)): v for key, v in source.states.items()}
    spelling = their_names(source.kind, sizes.extractor_mode)
    states: dict[str, Tensor] = {}
    used: set[str] = set()
    missing: list[str] = []
    shapes: list[str] = []
    for ours, current in wanted.items():
        names = spelling(ours)
        absent = [name for name in names if name not in found]
        used.update(names)
        if absent and ours == MASK_EMBEDDING:
            logger.info("%s has no mask embedding: it starts at random", source.name)
            states[ours] = current
        elif absent:
            missing += [prefix + name for name in absent]
        else:
            states[ours] = torch.cat([found[n] for n in names]) if names[1:] else found[names[0]]
            if states[ours].shape != current.shape:
                there, here = tuple(states[ours].shape), tuple(current.shape)
                shapes.append(f"{prefix}{names[0]}: {there} in the file, {here} in the model")
    above = range(num_blocks, sizes.encoder_num_layers)
    extra = [key for key in found if key not in used and not _left_out(key, source.kind, above)]
    _complain(source, missing, extra, shapes)
    logger.info("%s: %d parameters read from %s", source.kind, len(used), source.name)
    return states


def _prefix(source: Source) -> str:
    """What stands before each name: ``w2v_encoder.w2v_model.`` in fine-tuned fairseq models."""
    probe = PROBES[source.kind]
    return next(key for key in source.states if key.endswith(probe)).removesuffix(probe)


def _relative(key: str, prefix: str) -> str:
    # HuBERT's pre-training model of torchaudio keeps the mask embedding beside the network.
    if key == "mask_generator.mask_embedding":
        return MASK_EMBEDDING
    return key.removeprefix(prefix)


def _left_out(key: str, kind: str, above: range) -> bool:
    """Whether the encoder has no use for it: a listed one, or of a block that it does not have."""
    block = re.search(r"(?:^|\.)layers\.(\d+)\.", key)
    if block is not None and int(block.group(1)) in above:
        return True
    return any(key.startswith(beginning) for beginning in LEFT_OUT[kind])


def _complain(source: Source, missing: list[str], extra: list[str], shapes: list[str]) -> None:
    differences = key_differences(sorted(missing), sorted(extra), shapes)
    if differences:
        raise CheckpointError(
            f"checkpoint {source.name} ({source.kind}) does not fit encoder_conf.architecture.",
            got=differences,
            fix="set the architecture that the checkpoint was made with",
        )
