"""``[key_manager]``: where the keys of encrypted volumes are.

Castellan registers its own options in this group (``backend``, ``auth_type`` and so on)
when the first key is fetched; they are described in its documentation.
"""

from oslo_config import cfg

GROUP = "key_manager"

OPTS = [
    cfg.StrOpt(
        "file_directory",
        help="Directory of keys, one file each, for a machine without a key manager. Unset, "
        "keys come from castellan's ``backend`` (Barbican or Vault). Who can read the "
        "directory can read every encrypted volume.",
    ),
]
