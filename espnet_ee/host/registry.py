"""Tell ESPnet about our classes. Importing this module is all it takes, in spawned workers too."""

from __future__ import annotations

from espnet_ee.errors import ConfigError
from espnet_ee.host.compat import AbsEncoder, ESPnetASRModel, asr_task_module
from espnet_ee.host.conformer import EarlyExitConformerEncoder
from espnet_ee.host.e_branchformer import EarlyExitEBranchformerEncoder
from espnet_ee.host.model import EarlyExitASRModel
from espnet_ee.host.ssl import EarlyExitSSLEncoder
from espnet_ee.host.transformer import EarlyExitTransformerEncoder

ENCODERS = {
    "ee_conformer": EarlyExitConformerEncoder,
    "ee_e_branchformer": EarlyExitEBranchformerEncoder,
    "ee_ssl": EarlyExitSSLEncoder,
    "ee_transformer": EarlyExitTransformerEncoder,
}
MODELS = {"ee_ctc_att": EarlyExitASRModel}


def register() -> None:
    """Add our encoders and models to the module-level choices that ESPnet's ``build_model`` reads.

    Raises:
        ConfigError: A name is not lower-case, or a class does not derive from ESPnet's base.
    """
    for choices, classes, base in (
        (asr_task_module.encoder_choices, ENCODERS, AbsEncoder),
        (asr_task_module.model_choices, MODELS, ESPnetASRModel),
    ):
        for name, cls in classes.items():
            # ESPnet looks up the raw name after testing the lower-cased one, and checks the base
            # class of its own choices only.
            if name != name.lower() or not issubclass(cls, base):
                raise ConfigError(f"cannot register {cls.__name__} as {name!r}.")
            choices.classes[name] = cls


register()
