import pytest

from nova_lite.db import session

pytest.importorskip("pymysql")


def test_connections_share_one_tls_context() -> None:
    make = session._pymysql_connection()
    first, second = (make(user="u", defer_connect=True) for _ in range(2))
    assert first.ctx is second.ctx


def test_other_tls_options_have_a_context_of_their_own() -> None:
    make = session._pymysql_connection()
    usual = make(user="u", defer_connect=True)
    strict = make(user="u", ssl={"check_hostname": True}, defer_connect=True)
    assert strict.ctx is not usual.ctx
