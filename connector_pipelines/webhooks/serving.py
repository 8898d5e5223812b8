"""Serves the receiver of all declared sources."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from connector_pipelines.capabilities import hook_of
from connector_pipelines.database.connection import connect
from connector_pipelines.database.migrate import migrate
from connector_pipelines.external.line import Line
from connector_pipelines.settings import settings
from connector_pipelines.sync.sources import register
from connector_pipelines.webhooks import inbox
from connector_pipelines.webhooks.metrics import Metrics
from connector_pipelines.webhooks.receiver import Receiver, Registered, application

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from starlette.applications import Starlette

    from connector_pipelines.model import Source

_AT_ONCE = 500
"""Connections at the same time; more are told to come again (503)."""


def open_receiver(url: str, sources: Iterable[Source]) -> Receiver:
    """The receiver of the sources that have a webhook, with its own connection; closed with the application.

    Args:
        url: of the database, which is brought to the newest schema.
        sources: declared sources.

    Raises:
        ConfigurationError: the database cannot be reached.
    """
    migrate(url)
    hooked = [(source, hook) for source in sources if (hook := hook_of(source)) is not None]
    with connect(url) as connection:
        for source, hook in hooked:
            register(connection, source)
            inbox.introduce(connection, source.name, hook.options.model_dump_json())
    line = Line(url, durable=True)
    hooks = {source.name: Registered(source.name, source.connector.name, hook) for source, hook in hooked}
    return Receiver(hooks, line, Metrics(line), settings().metrics_networks, proxied=bool(settings().trusted_proxies))


def serve(app: Starlette, *, host: str, port: int) -> None:
    """Serve an application until it is interrupted."""
    import uvicorn

    uvicorn.run(app, host=host, port=port, log_level="warning", timeout_graceful_shutdown=10, **options())


def options() -> dict[str, Any]:
    """What the server is told of connections: how many there may be, and whose word is taken for a caller's address."""
    proxies = settings().trusted_proxies
    return {
        "access_log": False,
        "server_header": False,
        "proxy_headers": bool(proxies),
        "forwarded_allow_ips": [str(network) for network in proxies],
        "limit_concurrency": _AT_ONCE,
    }


def receive(url: str, sources: Iterable[Source], *, host: str, port: int, say: Callable[[str], None]) -> None:
    """Receive deliveries for the sources until interrupted."""
    receiver = open_receiver(url, sources)
    for name in receiver.hooks:
        say(f"{name}: POST http://{host}:{port}/webhooks/{name}")
    if not receiver.hooks:
        say("no source has a webhook")
    say(f"metrics for Prometheus: GET http://{host}:{port}/metrics")
    serve(application(receiver), host=host, port=port)
