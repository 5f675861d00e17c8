"""`python -m espnet_ee`: the same as the command `espnet-ee`."""

from __future__ import annotations

import sys

from espnet_ee.bin.main import main

if __name__ == "__main__":
    sys.exit(main())
