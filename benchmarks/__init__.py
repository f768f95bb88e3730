"""Measurements; see ``docs/benchmarks.rst``."""

import pathlib
import sys

# The harness of the integration tests shares the process handling with tools/.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "tools"))
