"""A proxy between a run and PostgreSQL that counts durable boundaries on the wire, and can strike at any of them.

The server itself says when something is durable: it reports `ReadyForQuery` with status idle after a COMMIT, or after
a statement in autocommit mode. So no statement of ours has to be known or wrapped, and none can be forgotten. A strike
falls before the answer is forwarded: the change is durable and the run does not know.
"""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import struct
import threading
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol, Self

import psycopg

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_PORT = 5432
_PIECE = 1 << 16
_HEAD = 5  # one byte of type, four of length
_READS = ("SELECT", "SHOW", "SET", "BEGIN", "DISCARD")
_IDLE = b"I"


@dataclass(slots=True)
class _Talk:
    """What one connection is about just now.

    Attributes:
        statements: text of prepared statements by name.
        current: the statement that runs.
        last_write: the newest statement that changed something and is not reported as durable yet.
    """

    statements: dict[str, str] = field(default_factory=dict)
    current: str = ""
    last_write: str = ""

    def asked(self, kind: bytes, body: bytes) -> None:
        """Take note of a message of the client: a query, or a statement that is parsed or bound."""
        words = body.split(b"\0")
        if kind == b"Q":
            self.current = _short(words[0])
        elif kind == b"P":
            self.current = self.statements[words[0].decode()] = _short(words[1])
        elif kind == b"B":
            self.current = self.statements.get(words[1].decode(), self.current)

    def answered(self, kind: bytes, body: bytes) -> str | None:
        """Take note of a message of the server; what has become durable with it, if anything."""
        if kind == b"C":
            word = body.split(b"\0")[0].decode().split(" ")[0]
            if word == "ROLLBACK" and " TO " not in self.current:
                self.last_write = ""
            elif not self.current.startswith((*_READS, "ROLLBACK", "SAVEPOINT", "RELEASE", "COMMIT", "DEALLOCATE")):
                self.last_write = self.current
        if kind == b"Z" and body == _IDLE:
            done, self.last_write = self.last_write, ""
            return done or None
        return None


class Struck(Protocol):
    """Where a strike may fall."""

    def strike(self, number: int, action: Callable[[], None] | None = None) -> None:
        """Do something at the boundary with this number, from 1."""


@dataclass(frozen=True, slots=True)
class Strike:
    """What happens to a run.

    Attributes:
        how: "kill", "cut" (off from the database) or "none".
        at: the number of the boundary.
        where: at whose boundaries, if not at those of the run's own proxy.
    """

    how: str
    at: int = 0
    where: Struck | None = None

    def arm(self, proxy: Proxy, process: int) -> None:
        """Let it happen to this process, which works behind this proxy."""
        if self.how != "none":
            kill = partial(os.kill, process, signal.SIGKILL) if self.how == "kill" else None
            (self.where or proxy).strike(self.at, kill)


class Proxy:
    """Listens on a socket of its own and forwards to the server. Use it as a context manager.

    Args:
        url: of the database behind it, on a Unix socket.
        folder: for the proxy's own socket; short, because such paths are.

    Attributes:
        url: where the run connects.
        durable: what became durable, in order, by the words of the statement.
        struck: whether a strike fell.
    """

    def __init__(self, url: str, folder: Path) -> None:
        known = psycopg.conninfo.conninfo_to_dict(url)
        self._server = f"{known['host']}/.s.PGSQL.{known.get('port') or _PORT}"
        self._path = folder / f".s.PGSQL.{_PORT}"
        self.url = f"postgresql://{known.get('user') or 'postgres'}:@/{known['dbname']}?host={folder}"
        self.durable: list[str] = []
        self.struck = False
        self._strikes: dict[int, Callable[[], None]] = {}
        self._lock = threading.Lock()
        self._listener = socket.socket(socket.AF_UNIX)
        self._open: list[socket.socket] = []

    def strike(self, number: int, action: Callable[[], None] | None = None) -> None:
        """Break all connections at the boundary with this number, from 1, after `action`."""
        self._strikes[number] = action or (lambda: None)

    def __enter__(self) -> Self:
        self._path.unlink(missing_ok=True)
        self._listener.bind(str(self._path))
        self._listener.listen()
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._close(self._listener)
        self._cut()
        self._path.unlink(missing_ok=True)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.socket(socket.AF_UNIX)
                server.connect(self._server)
                self._open += [client, server]
                talk = _Talk()
                threading.Thread(target=self._forward, args=(client, server, talk), daemon=True).start()
                threading.Thread(target=self._answer, args=(server, client, talk), daemon=True).start()

    def _forward(self, client: socket.socket, server: socket.socket, talk: _Talk) -> None:
        """From the run to the server; the first message has no type."""
        buffer, begun = bytearray(), False
        with contextlib.suppress(OSError):
            while piece := client.recv(_PIECE):
                buffer += piece
                if not begun:
                    begun = True
                    del buffer[: struct.unpack_from("!i", buffer)[0]]
                for kind, body in _messages(buffer):
                    talk.asked(kind, body)
                server.sendall(piece)
        self._close(server)

    def _answer(self, server: socket.socket, client: socket.socket, talk: _Talk) -> None:
        """From the server to the run, message by message."""
        buffer = bytearray()
        with contextlib.suppress(OSError):
            while piece := server.recv(_PIECE):
                buffer += piece
                for kind, body in _messages(buffer):
                    done = talk.answered(kind, body)
                    if done and self._boundary(done):
                        return
                    client.sendall(kind + struct.pack("!i", len(body) + 4) + body)
        self._close(client)

    def _boundary(self, done: str) -> bool:
        """Count; whether a strike fell."""
        with self._lock:
            self.durable.append(done)
            action = self._strikes.get(len(self.durable))
            if action is not None:
                self.struck = True
                action()
                self._cut()
        return action is not None

    def _cut(self) -> None:
        for opened in self._open:
            self._close(opened)

    @staticmethod
    def _close(opened: socket.socket) -> None:
        with contextlib.suppress(OSError):
            opened.shutdown(socket.SHUT_RDWR)
        opened.close()


def _messages(buffer: bytearray) -> list[tuple[bytes, bytes]]:
    """Take the whole messages out of a buffer: type and body."""
    found, start = [], 0
    while len(buffer) - start >= _HEAD:
        size = struct.unpack_from("!i", buffer, start + 1)[0] + 1
        if len(buffer) - start < size:
            break
        found.append((bytes(buffer[start : start + 1]), bytes(buffer[start + _HEAD : start + size])))
        start += size
    del buffer[:start]
    return found


def _short(text: bytes) -> str:
    """The first words of a statement."""
    return re.sub(r"\s+", " ", text.decode(errors="replace")).strip()[:60]
