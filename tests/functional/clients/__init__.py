import pathlib
import sys

# The kept-open openstack client is shared with tools/quickstart.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[3] / "tools"))
