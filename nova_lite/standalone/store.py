"""What the embedded services remember: JSON documents in one SQLite file."""

import collections.abc
import contextlib
import json
import os
import sqlite3
import threading
import typing

Document = dict[str, typing.Any]

_SCHEMA = """
CREATE TABLE IF NOT EXISTS documents (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    kind TEXT NOT NULL,
    id TEXT NOT NULL,
    body TEXT NOT NULL,
    UNIQUE (kind, id)
)
"""


class Store:
    """Documents by kind and id, in the order in which they were made.

    One connection under one lock: no call blocks on anything but the disk, and
    a change that reads first holds the lock with :meth:`transaction`.
    """

    def __init__(self, path: str) -> None:
        # The volumes are in a directory below, and QEMU must reach them there.
        os.makedirs(os.path.dirname(path), mode=0o711, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
        self._lock = threading.RLock()
        self._database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
        self._database.execute("PRAGMA journal_mode = WAL")
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.execute(_SCHEMA)

    def close(self) -> None:
        """End."""
        with self._lock:
            self._database.close()

    @contextlib.contextmanager
    def transaction(self) -> collections.abc.Iterator[None]:
        """All or nothing, and nobody between. Do no other I/O inside."""
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def get(self, kind: str, key: str) -> Document | None:
        """One document, or None."""
        with self._lock:
            row = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? AND id = ?", (kind, key)
            ).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, kind: str, document: Document) -> None:
        """Insert or replace the document with that ``id``."""
        with self._lock:
            self._database.execute(
                "INSERT INTO documents (kind, id, body) VALUES (?, ?, ?)"
                " ON CONFLICT (kind, id) DO UPDATE SET body = excluded.body",
                (kind, document["id"], json.dumps(document)),
            )

    def delete(self, kind: str, key: str) -> None:
        """Remove a document; gone is success."""
        with self._lock:
            self._database.execute("DELETE FROM documents WHERE kind = ? AND id = ?", (kind, key))

    def list(self, kind: str) -> list[Document]:
        """All documents of a kind, the newest last."""
        with self._lock:
            rows = self._database.execute(
                "SELECT body FROM documents WHERE kind = ? ORDER BY number", (kind,)
            ).fetchall()
        return [json.loads(row[0]) for row in rows]
