"""``/v2.1/{project_id}/servers`` is the same as ``/v2.1/servers``."""

import collections.abc

import falcon

PREFIX = "/v2.1"


class ProjectInPath:
    """Takes an optional project id out of the path before it is routed.

    :param collections: the first segments the API knows below ``/v2.1``.
    """

    def __init__(self, collections_: collections.abc.Container[str]) -> None:
        self._collections = collections_

    def process_request(self, request: falcon.Request, _response: falcon.Response) -> None:
        """Rewrite the path; remember the project for links and the check that
        it is the asker's own.

        A project is followed by a collection: what the API does not have
        (``/os-server-groups/{id}``) is no project.
        """
        request.context.path_project_id = None
        head, _, rest = request.path.removeprefix(PREFIX + "/").partition("/")
        if not request.path.startswith(PREFIX + "/"):
            return
        collection = rest.partition("/")[0]
        if head not in self._collections and collection in self._collections:
            request.context.path_project_id = head
            request.path = f"{PREFIX}/{rest}"
