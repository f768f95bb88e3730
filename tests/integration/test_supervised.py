"""tools/supervised.py, which starts the daemons that tests and trials need."""

import pytest
import supervised


def test_no_port_is_given_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two daemons of one start would both find it free."""
    monkeypatch.setattr(supervised, "PORTS", (20_000, 20_004))
    monkeypatch.setattr(supervised, "_given_ports", set())
    monkeypatch.setattr(supervised, "port_is_free", lambda port: port != 20_001)
    assert {supervised.free_port() for _ in range(3)} == {20_000, 20_002, 20_003}
