"""Keys of encrypted volumes: S201."""

import pathlib
import stat
import typing
from unittest import mock

import pytest
from castellan import key_manager
from castellan.common import exception
from castellan.common.objects import symmetric_key
from castellan.key_manager import barbican_key_manager

from nova_lite import concurrency
from nova_lite import conf as conf_module
from nova_lite import context
from nova_lite import exceptions
from nova_lite.volume import file_keys
from nova_lite.volume import keys

CTXT = context.RequestContext(auth_token="token", overwrite=False)
CANARY = "canary-6a17"


@pytest.fixture(name="conf")
def fixture_conf(tmp_path: pathlib.Path) -> typing.Any:
    return conf_module.new(files=[], key_manager__file_directory=str(tmp_path / "keys"))


@pytest.fixture(name="files")
def fixture_files(conf: typing.Any) -> file_keys.FileKeyManager:
    return file_keys.FileKeyManager(conf)


def test_the_passphrase_is_the_keys_digits(
    conf: typing.Any, files: file_keys.FileKeyManager
) -> None:
    """As Cinder and Nova make it: who opens a volume there opens it here."""
    key = symmetric_key.SymmetricKey("AES", 16, b"\x0f\xa0")
    assert keys.VolumeKeys(conf).passphrase(CTXT, files.store(CTXT, key)) == b"0fa0"


def test_a_key_has_its_length_and_no_reader(
    files: file_keys.FileKeyManager, tmp_path: pathlib.Path
) -> None:
    key_id = files.create_key(CTXT, "AES", 256)
    assert len(files.get(CTXT, key_id).get_encoded() or b"") == 32
    assert files.get(CTXT, key_id, metadata_only=True).is_metadata_only()
    assert stat.S_IMODE((tmp_path / "keys").stat().st_mode) == 0o700
    files.delete(CTXT, key_id)
    assert list((tmp_path / "keys").iterdir()) == []


@pytest.mark.parametrize("key_id", ["../../etc/passwd", "1c0d7f2e-6f0e-4d0d-9c63-6f4f3f7a2c11"])
def test_a_key_that_is_not_there(
    conf: typing.Any, files: file_keys.FileKeyManager, key_id: str
) -> None:
    with pytest.raises(exceptions.RemoteServiceError, match="has no key"):
        keys.VolumeKeys(conf).passphrase(CTXT, key_id)
    with pytest.raises(exception.ManagedObjectNotFoundError):
        files.delete(CTXT, key_id)


class TestCastellan:
    """Without a directory the configured back end is asked."""

    @pytest.fixture(autouse=True)
    def manager(self) -> typing.Iterator[typing.Any]:
        made = mock.create_autospec(barbican_key_manager.BarbicanKeyManager, instance=True)
        with mock.patch.object(key_manager, "API", autospec=True, return_value=made):
            yield made

    def test_with_the_users_token(self, manager: typing.Any) -> None:
        manager.get.return_value = symmetric_key.SymmetricKey("AES", 8, b"\x01")
        assert keys.VolumeKeys(conf_module.new(files=[])).passphrase(CTXT, "k1") == b"01"
        manager.get.assert_called_once_with(CTXT, "k1")

    def test_with_our_own_user_where_there_is_no_token(self, manager: typing.Any) -> None:
        """Recovery connects volumes long after the user's request."""
        from castellan.common import utils

        manager.get.return_value = symmetric_key.SymmetricKey("AES", 8, b"\x01")
        ours = context.RequestContext(overwrite=False)
        with mock.patch.object(utils, "credential_factory", autospec=True) as factory:
            keys.VolumeKeys(conf_module.new(files=[])).passphrase(ours, "k1")
        manager.get.assert_called_once_with(factory.return_value, "k1")

    def test_it_is_not_waited_for_for_ever(
        self, manager: typing.Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(keys, "TIMEOUT_S", 0.05)
        manager.get.side_effect = lambda *_: concurrency.sleep(30)
        with pytest.raises(exceptions.RemoteServiceError, match="DeadlineExceeded"):
            keys.VolumeKeys(conf_module.new(files=[])).passphrase(CTXT, "k1")

    def test_its_words_are_not_passed_on(self, manager: typing.Any) -> None:
        manager.get.side_effect = exception.KeyManagerError(reason=CANARY)
        with pytest.raises(exceptions.RemoteServiceError) as caught:
            keys.VolumeKeys(conf_module.new(files=[])).passphrase(CTXT, "k1")
        assert CANARY not in str(caught.value)
        assert caught.value.__suppress_context__
