"""The demo's mail server: takes every mail, keeps it in memory and delivers none.

It speaks enough of RFC 5321 for `smtplib`, on 127.0.0.1 unless told otherwise.
"""

import asyncio
from collections.abc import Awaitable, Callable
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from typing import Self

_REPLIES = {
    "EHLO": "250-demo\r\n250 SMTPUTF8",
    "HELO": "250 demo",
    "RCPT": "250 ok",
    "NOOP": "250 ok",
    "RSET": "250 ok",
}
_IDLE_SECONDS = 30.0


class SmtpSink:
    """A mail server for as long as the `async with` block runs.

    Args:
        latency_seconds: how long it takes over a mail, so that timelines look like those of a network.
        host: where it listens.
        port: likewise; 0 takes a free one.

    Attributes:
        mails: what arrived, in order.
    """

    def __init__(self, latency_seconds: float = 0.0, *, host: str = "127.0.0.1", port: int = 0) -> None:
        self.mails: list[EmailMessage] = []
        self._latency_seconds = latency_seconds
        self._address = (host, port)
        self._talks: set[asyncio.Task[None]] = set()

    @property
    def port(self) -> int:
        """Where it listens."""
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._meet, *self._address)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        for talk in self._talks:
            talk.cancel()
        await asyncio.gather(*self._talks, return_exceptions=True)

    def _meet(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        talk = asyncio.ensure_future(self._talk(reader, writer))
        self._talks.add(talk)
        talk.add_done_callback(self._talks.discard)

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async def say(text: str) -> None:
            writer.write(f"{text}\r\n".encode())
            await writer.drain()

        try:
            await say("220 demo")
            while await self._answer(reader, say):
                pass
        except (OSError, ValueError, TimeoutError):
            return  # The client went away, fell silent, or sent a line without end.
        finally:
            writer.close()

    async def _answer(self, reader: asyncio.StreamReader, say: Callable[[str], Awaitable[None]]) -> bool:
        line = await asyncio.wait_for(reader.readline(), _IDLE_SECONDS)
        verb = line[:4].decode(errors="replace").upper()
        if verb == "DATA":
            await say("354 end with a dot")
            self.mails.append(message_from_bytes(await self._read_mail(reader), EmailMessage, policy=default))
            await asyncio.sleep(self._latency_seconds)
            await say("250 taken")
        elif verb == "QUIT":
            await say("221 bye")
        elif line:
            await say("250 ok" if verb == "MAIL" else _REPLIES.get(verb, "502 not known here"))
        return bool(line) and verb != "QUIT"

    async def _read_mail(self, reader: asyncio.StreamReader) -> bytes:
        lines = []
        while (line := await asyncio.wait_for(reader.readline(), _IDLE_SECONDS)) != b".\r\n":
            if not line:
                raise ConnectionResetError
            lines.append(line.removeprefix(b".") if line.startswith(b"..") else line)
        return b"".join(lines)
