"""``[service_user]``: who nova_lite is to the other services.

Its token goes beside the user's (``X-Service-Token``), so that Cinder lets
nova_lite, and nobody else, delete an attachment that a guest uses
(CVE-2023-2088), and replaces the user's where there is none (recovery).
"""

from oslo_config import cfg

GROUP = "service_user"

OPTS = [
    cfg.URIOpt(
        "auth_url",
        schemes=["http", "https"],
        help="Address of Keystone, as http://host:5000/v3.",
    ),
    cfg.StrOpt(
        "username",
        default="nova",
        help="The service user. It needs the roles ``admin`` and ``service`` in its project.",
    ),
    cfg.StrOpt("password", secret=True, help="The service user's password."),
    cfg.StrOpt("project_name", default="service", help="The service user's project."),
    cfg.StrOpt("user_domain_name", default="Default", help="Domain of the user."),
    cfg.StrOpt("project_domain_name", default="Default", help="Domain of the project."),
]
