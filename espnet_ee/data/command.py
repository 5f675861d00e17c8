"""What every ``python -m espnet_ee.data.MODULE`` shares: log lines on stdout, one clear error."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable

from espnet_ee.errors import EspnetEEError


def run_command(main: Callable[[], None]) -> None:
    """Run ``main``; exit with code 1 after an error that the user can act on."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stdout)
    try:
        main()
    except EspnetEEError as error:
        sys.stdout.flush()
        sys.stderr.write(f"{type(error).__name__}: {error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        os._exit(130)  # the worker processes got the same signal; do not wait for their traces
