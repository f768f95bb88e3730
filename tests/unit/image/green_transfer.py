"""Moves an image in a green process, as compute does, with a Glance that is never waited
for: bytes are always there, and taken at once. Run by a test.

Prints one JSON object: of each direction, how often another green thread had its turn
between two pieces.
"""

# The library must be made cooperative before anything else is imported.
# ruff: noqa: E402

from nova_lite import concurrency

concurrency.monkey_patch()

import hashlib
import json
import sys
from unittest import mock

from nova_lite import conf as conf_module
from nova_lite import context
from nova_lite import objects
from nova_lite import remote
from nova_lite.image import glance

PIECE = b"\5" * glance.CHUNK_BYTES
PIECES = 16


class Turns:
    """Counts those of another green thread."""

    def __init__(self):
        self._count = 0
        self.between_pieces = []
        concurrency.spawn(self._take)

    def note(self):
        """A piece begins."""
        self.between_pieces.append(self._count)
        self._count = 0

    def _take(self):
        while True:
            self._count += 1
            concurrency.sleep(0)


class EagerGlance:
    """Answers without a pause."""

    def __init__(self, turns):
        self._turns = turns
        self.status_code = 200
        self.taken = 0

    def iter_content(self, size):
        for _ in range(PIECES):
            self._turns.note()
            yield PIECE[:size]

    def close(self):
        pass

    def request(self, _ctxt, _method, _path, *, data=(), **_how):
        for piece in data:
            self._turns.note()
            self.taken += len(piece)
        return self


def main():
    client = glance.GlanceClient(conf_module.new(files=[]))
    ctxt = context.admin_context()
    whole = PIECE * PIECES
    image = objects.ImageMeta(
        id="i1",
        size_bytes=len(whole),
        hash_algorithm="sha512",
        hash_value=hashlib.sha512(whole).hexdigest(),
        checksum=None,
    )
    turns = {name: Turns() for name in ("download", "upload")}
    told = {}
    for name, counted in turns.items():
        answering = EagerGlance(counted)
        with mock.patch.object(remote.RemoteService, "request", answering.request):
            if name == "download":
                client.download(ctxt, image, sys.argv[1])
            else:
                client.upload(ctxt, "i1", sys.argv[1])
                told["uploaded"] = answering.taken == len(whole)
        # Nothing is between the first piece and one before it.
        told[name] = counted.between_pieces[1:]
    print(json.dumps(told))


if __name__ == "__main__":
    main()
