"""A proxy in front of PostgreSQL that loses replies: the server has committed, and the client never hears of it.

It understands just enough of the wire protocol (PostgreSQL documentation, "Message Formats") to know which message
executes a given function, also when the statement was prepared, and where the server's reply to it ends.
"""

import asyncio
import contextlib
import struct
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, quote, unquote, urlencode, urlsplit

__all__ = ["LostReplies"]


class LostReplies:
    """Forwards everything, but for the replies that `drop` asked to lose.

    Args:
        url: the server's URL, over TCP or a Unix socket.
        calls: a statement that contains these bytes counts as a call.
    """

    def __init__(self, url: str, *, calls: bytes = b"amends_append_v3($1") -> None:
        self.call_count = 0
        self.dropped_count = 0
        self._given = urlsplit(url)
        self._options = dict(parse_qsl(self._given.query))
        self._calls = calls
        self._drop_at: set[int] = set()
        self._server: asyncio.Server | None = None
        self._lines: set[_Line] = set()

    @property
    def url(self) -> str:
        """What a client connects to instead. Without encryption, so that the proxy can read along."""
        assert self._server is not None
        port = self._server.sockets[0].getsockname()[1]
        user = quote(unquote(self._given.username or "postgres"), safe="")
        password = f":{self._given.password}" if self._given.password else ""
        kept = {key: value for key, value in self._options.items() if key not in ("host", "port")}
        options = urlencode({**kept, "sslmode": "disable", "gssencmode": "disable"}, quote_via=quote)
        return f"postgresql://{user}{password}@127.0.0.1:{port}{self._given.path}?{options}"

    def drop(self, nth: int = 1) -> None:
        """Lose the reply to the nth call from now (1 is the next): the server carries it out, then the line is cut."""
        self._drop_at.add(self.call_count + nth)

    def cut(self) -> None:
        """Cut all lines as they stand."""
        for line in list(self._lines):
            line.close()

    def must_drop(self) -> bool:
        """Count a call and tell whether its reply is to be lost."""
        self.call_count += 1
        if self.call_count not in self._drop_at:
            return False
        self.dropped_count += 1
        return True

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server is not None
        self._server.close()
        self.cut()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = self._options.get("host") or unquote(self._given.hostname or "localhost")
        port = int(self._options.get("port") or self._given.port or 5432)
        upstream: Any = asyncio.open_connection(host, port)
        if host.startswith("/"):
            upstream.close()
            upstream = asyncio.open_unix_connection(f"{host}/.s.PGSQL.{port}")
        line = _Line(self, self._calls, (reader, writer), await upstream)
        self._lines.add(line)
        try:
            await line.run()
        finally:
            self._lines.discard(line)


_Stream = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Line:
    """One client's connection and the connection to the server behind it."""

    def __init__(self, proxy: LostReplies, calls: bytes, client: _Stream, server: _Stream) -> None:
        self._proxy = proxy
        self._calls = calls
        self._client = client
        self._server = server
        self._names: set[bytes] = set()
        self._is_losing = False

    async def run(self) -> None:
        """Forward in both directions until either side hangs up."""
        tasks = [asyncio.create_task(self._requests()), asyncio.create_task(self._replies())]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        self.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def close(self) -> None:
        """Hang up on both sides."""
        for _, writer in (self._client, self._server):
            writer.close()

    async def _requests(self) -> None:
        reader, writer = self._client[0], self._server[1]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            length = await reader.readexactly(4)  # the start-up message alone has no type
            writer.write(length + await reader.readexactly(struct.unpack("!i", length)[0] - 4))
            while True:
                kind, length, body = await _message(reader)
                # Decided before the server can answer.
                if self._is_call(kind, body) and self._proxy.must_drop():
                    self._is_losing = True
                writer.write(kind + length + body)
                await writer.drain()

    async def _replies(self) -> None:
        reader, writer = self._server[0], self._client[1]
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                kind, length, body = await _message(reader)
                if not self._is_losing:
                    writer.write(kind + length + body)
                    await writer.drain()
                elif kind == b"Z":  # ReadyForQuery: the transaction is over
                    return

    def _is_call(self, kind: bytes, body: bytes) -> bool:
        if kind == b"Q":  # Query: the text itself, as a COMMIT comes
            return self._calls in body
        if kind == b"P":  # Parse: statement name, query
            name, query = body.split(b"\0", 2)[:2]
            self._names.discard(name)
            if self._calls in query:
                self._names.add(name)
        return kind == b"B" and body.split(b"\0", 2)[1] in self._names  # Bind: portal, statement name


async def _message(reader: asyncio.StreamReader) -> tuple[bytes, bytes, bytes]:
    kind = await reader.readexactly(1)
    length = await reader.readexactly(4)
    return kind, length, await reader.readexactly(struct.unpack("!i", length)[0] - 4)
