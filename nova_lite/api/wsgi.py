"""``application`` for any WSGI server: ``uwsgi --module nova_lite.api.wsgi`` and the like.

The server's workers need no eventlet. Configuration is read from oslo.config's
usual places, or from ``NOVA_LITE_CONFIG_FILES`` (separated by colons).
"""

import os
import typing

from nova_lite import conf as configuration
from nova_lite.api import service
from nova_lite.db import session
from nova_lite.rpc import transport


def make_application() -> typing.Any:
    """The API with everything it needs, from the configuration on disk."""
    files = os.environ.get("NOVA_LITE_CONFIG_FILES")
    conf = configuration.new(files=files.split(":") if files else None)
    return service.make_app(conf, session.Database(conf), transport.Transport(conf))


application = make_application()
