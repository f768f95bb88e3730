import pathlib
import sys

# The harness shares the story and the process handling with tools/quickstart.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
