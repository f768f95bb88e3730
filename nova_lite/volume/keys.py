"""Keys of encrypted volumes, from the key manager that castellan speaks to.

Castellan is imported when the first key is needed: most hosts never do.
"""

import dataclasses
import typing

from oslo_config import cfg

from nova_lite import concurrency
from nova_lite import context
from nova_lite import exceptions

SERVICE = "the key manager"
TIMEOUT_S = 60.0
"""Castellan has none of its own."""


@dataclasses.dataclass(frozen=True)
class Encryption:
    """What opens an encrypted volume."""

    provider: str
    """``luks``: Cinder's name of the format."""
    passphrase: bytes = dataclasses.field(repr=False)
    """Secret; drivers neither log it nor write it down."""


class VolumeKeys:
    """Fetches keys; keeps none."""

    def __init__(self, conf: cfg.ConfigOpts) -> None:
        self._conf = conf

    def passphrase(self, ctxt: context.RequestContext, key_id: str) -> bytes:
        """What opens a LUKS volume: the key as hexadecimal digits, which is how
        Cinder and Nova make a passphrase of it.

        :raises nova_lite.exceptions.RemoteServiceError: there is no such key, no key
            manager, or no answer. Its own words stay out of it, for they may be secret.
        """
        from castellan.common import exception

        try:
            with concurrency.deadline(TIMEOUT_S):
                found = self.manager().get(self._credential(ctxt), key_id)
                encoded: bytes = found.get_encoded()
        except exception.ManagedObjectNotFoundError:
            raise exceptions.RemoteServiceError(
                service=SERVICE, reason=f"it has no key {key_id}"
            ) from None
        except Exception as error:
            # Castellan's back ends raise whatever their clients do.
            raise exceptions.RemoteServiceError(
                service=SERVICE, reason=f"key {key_id}: {type(error).__name__}"
            ) from None
        return encoded.hex().encode()

    def manager(self) -> typing.Any:
        """Castellan's ``KeyManager`` of the configuration."""
        if self._conf.key_manager.file_directory:
            from nova_lite.volume import file_keys

            return file_keys.FileKeyManager(self._conf)
        from castellan import key_manager

        return key_manager.API(self._conf)

    def _credential(self, ctxt: context.RequestContext) -> typing.Any:
        """The user's token, or (recovery has none) our own user of ``[key_manager]``."""
        if ctxt.auth_token or self._conf.key_manager.file_directory:
            return ctxt
        from castellan import options
        from castellan.common.utils import credential_factory

        options.set_defaults(self._conf)
        return credential_factory(conf=self._conf)
