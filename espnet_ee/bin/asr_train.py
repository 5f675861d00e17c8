"""``python -m espnet_ee.bin.asr_train``: ESPnet's ``asr_train`` with our classes and checks.

Registration happens at import, so workers that ESPnet spawns know our classes too.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from espnet_ee.errors import EspnetEEError
from espnet_ee.host.task import EarlyExitASRTask


def get_parser():  # type: ignore[no-untyped-def]
    """ESPnet's parser with our options."""
    return EarlyExitASRTask.get_parser()


def main(cmd: Sequence[str] | None = None) -> None:
    """Train, or collect statistics."""
    try:
        EarlyExitASRTask.main(cmd=cmd)
    except EspnetEEError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
