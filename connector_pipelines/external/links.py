"""Addresses that a page gives of others: the Link header (RFC 8288), and whether our credentials may go there. Pure."""

from __future__ import annotations

import re
from urllib.parse import urljoin, urlsplit

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external import redact
from connector_pipelines.external.messages import same_origin

_LINK = re.compile(r'<([^>]*)>\s*((?:;\s*[\w*]+\s*=\s*(?:"[^"]*"|[^\s;,"]+)\s*)*)')
_REL = re.compile(r'rel\s*=\s*"?([^";,]+)', re.IGNORECASE)


def links_of(header: str | None) -> dict[str, str]:
    """Targets of a Link header by relation, in lower case; of two with one relation the first counts."""
    found: dict[str, str] = {}
    for url, parameters in _LINK.findall(header or ""):
        relation = _REL.search(parameters)
        for name in relation.group(1).lower().split() if relation else ():
            found.setdefault(name, url)
    return found


def followed(here: str, link: str, *, other_host: bool, remedy: str) -> str:
    """The address that a link leads to, relative or absolute.

    Args:
        here: the whole address of the page with the link.
        link: as the page gives it.
        other_host: one that names another host means the same system, seen from behind a proxy: we ask where we asked
            before, by the link's path and query.
        remedy: what a person may do where it does not.

    Raises:
        ConfigurationError: the link leads to another host, where our credentials may not go.
    """
    target = urljoin(here, link)
    if same_origin(here, target):
        return target
    if not other_host:
        raise ConfigurationError(
            f"{redact.url(here)} leads on to {redact.url(target)}, where our credentials may not go.", remedy=remedy
        )
    ours = urlsplit(here)
    return urlsplit(target)._replace(scheme=ours.scheme, netloc=ours.netloc).geturl()
