"""Tests of the platform.

Two processes of pytest share two cores: libraries that start a thread a core would only wait for each other.
"""

import os

os.environ.setdefault("POLARS_MAX_THREADS", "1")
os.environ.setdefault("OMP_NUM_THREADS", "1")
