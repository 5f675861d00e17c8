"""Print the kinds of training, each with the learning rate that was better: ``joint_high ...``."""

import sys
from pathlib import Path

from summarise import chosen

print(*chosen(Path(sys.argv[1])).values())
