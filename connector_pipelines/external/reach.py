"""Where our requests may go, and how they are encrypted on the way: checked at the socket, where no name can lie.

A URL that a user gave may name, or redirect to, or resolve to, an address that only this machine can reach: a database,
a colleague's service, the cloud's metadata with its credentials. So the address a connection really has is looked at,
before the first byte is sent on it.
"""

from __future__ import annotations

import ipaddress
import ssl
from typing import TYPE_CHECKING, Any, Literal

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.ssl_ import create_urllib3_context

from connector_pipelines.errors import ConfigurationError
from connector_pipelines.external.bounded import BoundedResponse
from connector_pipelines.settings import settings

if TYPE_CHECKING:
    import socket
    from collections.abc import Sequence

    from connector_pipelines.settings import Network

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address

TlsVersion = Literal["1.3", "1.2"]

_OLDEST = {"1.3": ssl.TLSVersion.TLSv1_3, "1.2": ssl.TLSVersion.TLSv1_2}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")


def may_be_asked(address: str, allowed: Sequence[Network]) -> bool:
    """Whether an address is public, or in a network that the operator allows.

    What leads to an IPv4 address in the end is judged by that: mapped, 6to4 and NAT64 addresses.
    """
    ip = _really(ipaddress.ip_address(address.partition("%")[0]))
    return (ip.is_global and not ip.is_multicast) or any(ip in network for network in allowed)


def _really(ip: Address) -> Address:
    if isinstance(ip, ipaddress.IPv4Address):
        return ip
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFF_FFFF)
    return ip.ipv4_mapped or ip.sixtofour or ip


def _checked(connection: HTTPConnection, sock: socket.socket) -> socket.socket:
    """The socket of a connection, if it may be used. A proxy is the operator's choice and needs no leave."""
    address = str(sock.getpeername()[0])
    if connection.proxy is None and not may_be_asked(address, settings().allowed_networks):
        sock.close()
        raise ConfigurationError(
            f"{connection.host} is at the private address {address}, where requests do not go.",
            remedy="If it is the right place, name its network in CONNECTOR_PIPELINES_ALLOWED_NETWORKS.",
        )
    return sock


class _Plain(HTTPConnection):
    response_class = BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _Encrypted(HTTPSConnection):
    response_class = BoundedResponse

    def _new_conn(self) -> socket.socket:
        return _checked(self, super()._new_conn())


class _PlainPool(HTTPConnectionPool):
    ConnectionCls = _Plain


class _EncryptedPool(HTTPSConnectionPool):
    ConnectionCls = _Encrypted


class Adapter(HTTPAdapter):
    """One connection at a time, to where requests may go, encrypted as the source's declaration says."""

    def __init__(self, oldest_tls: TlsVersion) -> None:
        self._oldest = oldest_tls
        super().__init__(pool_connections=2, pool_maxsize=1)

    def init_poolmanager(self, connections: int, maxsize: int, block: bool = False, **more: Any) -> None:  # noqa: FBT001, FBT002 -- the library's signature
        """Put our own connections and TLS settings in."""
        super().init_poolmanager(connections, maxsize, block, ssl_context=self._context(), **more)
        self.poolmanager.pool_classes_by_scheme = {"http": _PlainPool, "https": _EncryptedPool}

    def proxy_manager_for(self, proxy: str, **more: Any) -> Any:
        """The same TLS settings through a proxy."""
        return super().proxy_manager_for(proxy, ssl_context=self._context(), **more)

    def _context(self) -> ssl.SSLContext:
        context = create_urllib3_context()
        context.minimum_version = _OLDEST[self._oldest]
        return context
