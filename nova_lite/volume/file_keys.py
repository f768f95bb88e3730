"""A key manager for one machine: a directory with a file a key.

It speaks castellan's interface, so that the same code works with Barbican and Vault.
Keys are as safe as the directory, which only its owner may enter.
"""

import json
import os
import pathlib
import typing
import uuid

from castellan.common import exception
from castellan.common.objects import managed_object
from castellan.common.objects import symmetric_key
from castellan.key_manager import key_manager

from nova_lite import durable


class FileKeyManager(key_manager.KeyManager):
    """Symmetric keys in ``[key_manager] file_directory``."""

    def __init__(self, configuration: typing.Any) -> None:
        self._directory = pathlib.Path(configuration.key_manager.file_directory)

    def create_key(
        self,
        context: typing.Any,
        algorithm: str,
        length: int,
        expiration: str | None = None,
        name: str | None = None,
    ) -> str:
        """Make a random key of ``length`` bits; its id."""
        value = os.urandom(length // 8)
        return self.store(context, symmetric_key.SymmetricKey(algorithm, length, value, name))

    def create_key_pair(
        self,
        context: typing.Any,
        algorithm: str,
        length: int,
        expiration: str | None = None,
        name: str | None = None,
    ) -> tuple[str, str]:
        """Refused: volumes have symmetric keys."""
        raise exception.KeyManagerError(reason="there are no key pairs here")

    def store(
        self,
        context: typing.Any,
        managed_object: managed_object.ManagedObject,
        expiration: str | None = None,
    ) -> str:
        """Keep a symmetric key; its id."""
        if not isinstance(managed_object, symmetric_key.SymmetricKey):
            raise exception.KeyManagerError(reason="only symmetric keys are kept here")
        key_id = str(uuid.uuid4())
        self._directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._directory.chmod(0o700)
        content = {
            "algorithm": managed_object.algorithm,
            "bit_length": managed_object.bit_length,
            "name": managed_object.name,
            "key": (managed_object.get_encoded() or b"").hex(),
        }
        durable.write_text(self._path(key_id), json.dumps(content))
        return key_id

    def get(
        self, context: typing.Any, managed_object_id: str, metadata_only: bool = False
    ) -> managed_object.ManagedObject:
        """A key; with ``metadata_only`` without its value."""
        try:
            content = json.loads(self._path(managed_object_id).read_text())
        except FileNotFoundError:
            raise exception.ManagedObjectNotFoundError(uuid=managed_object_id) from None
        value = None if metadata_only else bytes.fromhex(content["key"])
        return symmetric_key.SymmetricKey(
            content["algorithm"],
            content["bit_length"],
            value,
            content["name"],
            id=managed_object_id,
        )

    def delete(self, context: typing.Any, managed_object_id: str, force: bool = False) -> None:
        """Forget a key."""
        path = self._path(managed_object_id)
        if not path.exists():
            raise exception.ManagedObjectNotFoundError(uuid=managed_object_id)
        durable.remove(path)

    def add_consumer(
        self, context: typing.Any, managed_object_id: str, consumer_data: dict[str, str]
    ) -> None:
        """Nothing is kept of who uses a key."""

    def remove_consumer(
        self, context: typing.Any, managed_object_id: str, consumer_data: dict[str, str]
    ) -> None:
        """Nothing is kept of who uses a key."""

    def _path(self, key_id: str) -> pathlib.Path:
        try:
            return self._directory / str(uuid.UUID(key_id))
        except ValueError:
            raise exception.ManagedObjectNotFoundError(uuid=key_id) from None
