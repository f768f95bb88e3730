"""Daemons as an operator sees them: they start, stop and come back."""

from tests.integration import cluster as clusters


def test_every_daemon_ends_cleanly_and_comes_back(fake_cluster: clusters.Cluster) -> None:
    for name, daemon in fake_cluster.daemons.items():
        assert daemon.stop() == 0, f"{name}: {daemon.text()[-2000:]}"
        assert "Traceback" not in daemon.text(), f"{name}: {daemon.text()[-2000:]}"
        daemon.restart()
    clusters.wait_for(fake_cluster.all_up, "every service to be up again")


def test_daemons_start_in_any_order(fake_cluster: clusters.Cluster) -> None:
    """Compute needs the conductor and waits for it."""
    for name in clusters.DAEMONS:
        fake_cluster.daemons[name].stop()
    for name in ("compute", "api", "scheduler"):
        fake_cluster.daemons[name].start()
    fake_cluster.daemons["api"].wait_ready()
    fake_cluster.daemons["conductor"].restart()
    fake_cluster.daemons["compute"].wait_ready()
    clusters.wait_for(fake_cluster.all_up, "every service to be up again")
