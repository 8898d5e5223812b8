"""Pages of Canvas: each names the next one in its `Link` header, by a number or a bookmark; the last one names none.

Nothing else is reliable: the number of rows asked for is cut silently, the last page is not told where counting takes
long, and a number past the end is an empty page. Canvas sends the header with every page; where it is missing somebody
took it away, and with it all pages but the first (P5).
https://developerdocs.instructure.com/services/canvas/basics/file.pagination
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from connector_pipelines.errors import BrokenPage
from connector_pipelines.external import redact
from connector_pipelines.external.links import followed, links_of

if TYPE_CHECKING:
    from connector_pipelines.external.messages import Request, Response

_OTHER_HOST = "If that is the same site behind a proxy, set `other_host: true`; else correct the site's base_url."


@dataclass(frozen=True, slots=True)
class LinkPaging:
    """Follows the links, whatever they look like.

    Attributes:
        root: what relative addresses of requests are appended to.
        other_host: links that name another host mean this one.
    """

    root: str
    other_host: bool = False

    def after(self, request: Request, response: Response, rows: int) -> Request | None:
        """The page that the header names.

        Raises:
            BrokenPage: there is no header, but there are rows.
            ConfigurationError: it leads to another host, where our credentials may not go.
        """
        links = links_of(response.headers.get("Link"))
        if rows and not links:
            raise BrokenPage(
                f"{redact.url(response.url)} came without its Link header, so that nobody knows whether there is more.",
                remedy="Let the proxy before Canvas pass that header.",
            )
        if not links.get("next"):
            return None
        here = request.url if "://" in request.url else f"{self.root}/{request.url}"
        target = followed(here, links["next"], other_host=self.other_host, remedy=_OTHER_HOST)
        return replace(request, url=target, params=())

    def ahead(self, _request: Request, _response: Response, _rows: int) -> None:
        """A bookmark cannot be guessed."""
