"""nova_lite among real services: Keystone, Glance, Cinder and Ceph.

They need a cloud that ``tools/realcloud`` brought up (``tools/test --real``).
"""

import pathlib
import sys

# The tools' modules: the client's session and the story that quickstart tells, too.
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools"))
