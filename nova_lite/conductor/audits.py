"""Audits that the conductor makes by itself: nothing is repaired."""

import logging

from oslo_config import cfg

from nova_lite.audit import collect
from nova_lite.audit import looks

LOG = logging.getLogger(__name__)


class Audits:
    """Looks for drift, and logs how much there is. Several conductors look each for
    itself."""

    def __init__(self, conf: cfg.ConfigOpts, collector: collect.Collector) -> None:
        self._pause_s = conf.audit.pause_s
        self._collector = collector

    def run(self) -> looks.Result:
        """One audit."""
        result = looks.audit(self._collector, pause_s=self._pause_s)
        counts = result.counts()
        if counts:
            LOG.warning(
                "Audit: %s. 'nova-lite-manage audit' says what and why",
                ", ".join(f"{number} {kind}" for kind, number in counts.items()),
            )
        else:
            LOG.info("Audit: nothing disagrees")
        return result
