"""Every name we take from ESPnet, from 202511 or 202611, imported here and nowhere else.

Importing this module takes 11 to 18 s: import it inside functions, or in modules that are only
imported inside functions.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import io
import warnings

SUPPORTED = ("202511", "202611")

from espnet_ee.errors import ConfigError  # noqa: E402


def espnet_version() -> str:
    """Installed ESPnet release, e.g. ``202511``.

    Raises:
        ConfigError: ESPnet is missing.
    """
    try:
        return importlib.metadata.version("espnet")
    except importlib.metadata.PackageNotFoundError as error:
        raise ConfigError(
            "ESPnet is not installed.", want=" or ".join(SUPPORTED), fix="pip install espnet-ee"
        ) from error


if espnet_version() not in SUPPORTED:
    raise ConfigError(
        "this ESPnet release is not supported.",
        got=f"espnet {espnet_version()}",
        want=" or ".join(SUPPORTED),
        fix="pip install espnet-ee, which brings the right one",
    )

# ESPnet 202511 prints a notice on stdout when flash-attention is absent, its dependency nltk
# complains on stderr when there is no network, and both warn about their own deprecated calls.
# None of it helps our users, and the first would spoil what our commands print for programs.
with (
    contextlib.redirect_stdout(io.StringIO()),
    contextlib.redirect_stderr(io.StringIO()),
    warnings.catch_warnings(),
):
    warnings.simplefilter("ignore")
    import espnet2.tasks.asr as asr_task_module
    from espnet2.asr.ctc import CTC
    from espnet2.asr.encoder.abs_encoder import AbsEncoder
    from espnet2.asr.encoder.conformer_encoder import ConformerEncoder as StockConformerEncoder
    from espnet2.asr.encoder.e_branchformer_encoder import (
        EBranchformerEncoder as StockEBranchformerEncoder,
    )
    from espnet2.asr.encoder.transformer_encoder import (
        TransformerEncoder as StockTransformerEncoder,
    )
    from espnet2.asr.espnet_model import ESPnetASRModel
    from espnet2.asr.frontend.default import DefaultFrontend
    from espnet2.fileio.datadir_writer import DatadirWriter
    from espnet2.layers.global_mvn import GlobalMVN
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.tasks.asr import ASRTask
    from espnet2.tasks.lm import LMTask
    from espnet2.text.build_tokenizer import build_tokenizer
    from espnet2.text.token_id_converter import TokenIDConverter
    from espnet2.torch_utils.device_funcs import force_gatherable
    from espnet2.train.reporter import Reporter
    from espnet2.train.trainer import Trainer

    try:  # 202511's place, then 202611's
        from espnet.nets.batch_beam_search import BatchBeamSearch
        from espnet.nets.beam_search import BeamSearch
        from espnet.nets.pytorch_backend.nets_utils import th_accuracy
        from espnet.nets.pytorch_backend.transformer.add_sos_eos import add_sos_eos
        from espnet.nets.scorer_interface import BatchScorerInterface
        from espnet.nets.scorers.ctc import CTCPrefixScorer
        from espnet.nets.scorers.length_bonus import LengthBonus
    except ModuleNotFoundError:
        from espnet2.legacy.nets.batch_beam_search import BatchBeamSearch
        from espnet2.legacy.nets.beam_search import BeamSearch
        from espnet2.legacy.nets.pytorch_backend.nets_utils import th_accuracy
        from espnet2.legacy.nets.pytorch_backend.transformer.add_sos_eos import add_sos_eos
        from espnet2.legacy.nets.scorer_interface import BatchScorerInterface
        from espnet2.legacy.nets.scorers.ctc import CTCPrefixScorer
        from espnet2.legacy.nets.scorers.length_bonus import LengthBonus

__all__ = [
    "CTC",
    "SUPPORTED",
    "ASRTask",
    "AbsEncoder",
    "BatchBeamSearch",
    "BatchScorerInterface",
    "BeamSearch",
    "CTCPrefixScorer",
    "DatadirWriter",
    "DefaultFrontend",
    "ESPnetASRModel",
    "GlobalMVN",
    "LMTask",
    "LengthBonus",
    "Reporter",
    "StockConformerEncoder",
    "StockEBranchformerEncoder",
    "StockTransformerEncoder",
    "TokenIDConverter",
    "Trainer",
    "add_sos_eos",
    "asr_task_module",
    "average_nbest_models",
    "build_tokenizer",
    "espnet_version",
    "force_gatherable",
    "th_accuracy",
]
