"""Early-exit speech recognition for ESPnet.

``EarlyExitSpeech2Text`` is imported on first use: ESPnet takes ten seconds and more to import.
"""

from __future__ import annotations

from typing import Any

from espnet_ee.version import __version__

__all__ = ["EarlyExitSpeech2Text", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "EarlyExitSpeech2Text":
        from espnet_ee.host.inference import EarlyExitSpeech2Text

        return EarlyExitSpeech2Text
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
