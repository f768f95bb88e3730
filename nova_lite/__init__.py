"""nova_lite: a compact OpenStack Compute service built around block storage."""

__version__ = "0.1.0"
