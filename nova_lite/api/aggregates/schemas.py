"""What is answered about aggregates: that there are none."""

from nova_lite.api import shapes
from nova_lite.api import validation

LISTED = validation.Schemas(
    ("2.1", None, shapes.exact({"aggregates": shapes.array({}, maxItems=0)}))
)
