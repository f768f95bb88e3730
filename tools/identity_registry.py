"""Users, projects, roles, services and endpoints in Keystone, as often as one likes."""

import urllib.parse

from rest_client import Body
from rest_client import RestClient


class IdentityRegistry:
    """What must be there is made; what is there already is left or corrected."""

    def __init__(self, auth_url: str, admin_password: str) -> None:
        """As Keystone's first administrator."""
        self._client = RestClient(auth_url, "admin", admin_password, "admin")
        self._ids: dict[tuple[str, str], str] = {}

    def ensure_user(self, name: str, password: str, project: str, *roles: str) -> None:
        """A user of the default domain with these roles in the project."""
        user_id = self._ensure("user", name, {"password": password, "domain_id": "default"})
        project_id = self._ensure("project", project, {"domain_id": "default"})
        for role in roles:
            role_id = self._ensure("role", role, {})
            self._client.identity("PUT", f"/projects/{project_id}/users/{user_id}/roles/{role_id}")

    def ensure_service(self, name: str, service_type: str, url: str) -> None:
        """A service with one address for everybody; a changed address is corrected."""
        service_id = self._ensure("service", name, {"type": service_type})
        listed = self._client.identity("GET", f"/endpoints?service_id={service_id}")["endpoints"]
        known = {endpoint["interface"]: endpoint for endpoint in listed}
        for interface in ("public", "internal", "admin"):
            body: Body = {
                "endpoint": {
                    "service_id": service_id,
                    "interface": interface,
                    "region_id": "RegionOne",
                    "url": url,
                }
            }
            if interface not in known:
                self._client.identity("POST", "/endpoints", body)
            elif known[interface]["url"] != url:
                self._client.identity("PATCH", f"/endpoints/{known[interface]['id']}", body)

    def _ensure(self, kind: str, name: str, values: Body) -> str:
        if (kind, name) not in self._ids:
            query = urllib.parse.urlencode({"name": name})
            listed = self._client.identity("GET", f"/{kind}s?{query}")[f"{kind}s"]
            if not listed:
                body = {kind: {"name": name, **values}}
                listed = [self._client.identity("POST", f"/{kind}s", body)[kind]]
            self._ids[kind, name] = str(listed[0]["id"])
        return self._ids[kind, name]
