"""``cupy.linalg``."""

from ._functions import TABLE

norm = TABLE["linalg.norm"]
