import pathlib
import sys

# Ports are given out as tools/services does.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
