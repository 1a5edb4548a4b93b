"""The story's mail, against a real mail server: what arrives, and what each way of failing means."""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from email import message_from_bytes
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, Envelope, Session

from amends import Call, OutcomeUnknown
from amends.actions.onboarding import Mailer, MailRefused, MailUnavailable, Sent, Welcome
from amends.console.demo.smtp_sink import SmtpSink

CALL = Call(run_id="run-1", step="2", attempt=1, idempotency_key="3e0a")
WELCOME = Welcome(user_id="u-1", to="ada@example.com")


class Inbox:
    """Keeps what arrives, and answers what it is told to."""

    def __init__(self, rcpt: str = "250 ok", data: str = "250 ok") -> None:
        self.rcpt = rcpt
        self.data = data
        self.mails: list[bytes] = []
        self.hang_up = False
        self.silent: asyncio.Event | None = None

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, to: str, options: list[str]) -> str:  # noqa: N802
        envelope.rcpt_tos.append(to)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        assert isinstance(envelope.content, bytes)
        if self.data.startswith("250"):
            self.mails.append(envelope.content)
        if self.silent is not None:
            await self.silent.wait()
        if self.hang_up:
            transport: Any = server.transport
            transport.abort()
        return self.data


@asynccontextmanager
async def mail_server(inbox: Inbox, **options: Any) -> AsyncIterator[int]:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(inbox, hostname="mail.test", **options), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


def mailer(port: int, **options: Any) -> Mailer:
    return Mailer("127.0.0.1", port, sender="hello@example.org", **{"timeout_seconds": 5.0, **options})


def send(inbox: Inbox, welcome: Welcome = WELCOME, *, times: int = 1, utf8: bool = True, **options: Any) -> list[Sent]:
    """Send as the engine does: from a thread."""

    async def body() -> list[Sent]:
        async with mail_server(inbox, enable_SMTPUTF8=utf8) as port:
            sender = mailer(port, **options)
            sent = [await asyncio.to_thread(sender.send_welcome, welcome, CALL) for _ in range(times)]
            if inbox.silent is not None:
                inbox.silent.set()
            return sent

    return asyncio.run(body())


def test_the_mail_arrives() -> None:
    """With the user's id, and a message id made from the idempotency key."""
    inbox = Inbox()
    assert send(inbox) == [Sent(message_id="<3e0a@example.org>")]
    mail = message_from_bytes(inbox.mails[0])
    assert (mail["From"], mail["To"], mail["Message-ID"]) == (
        "hello@example.org",
        "ada@example.com",
        "<3e0a@example.org>",
    )
    assert b"u-1" in inbox.mails[0]


def test_a_repeated_mail_has_the_message_id_of_the_first() -> None:
    """That is all that can be done about mail that is sent twice."""
    inbox = Inbox()
    send(inbox, times=2)
    assert {message_from_bytes(mail)["Message-ID"] for mail in inbox.mails} == {"<3e0a@example.org>"}


@pytest.mark.parametrize(
    ("inbox", "error"),
    [
        (Inbox(rcpt="550 no such mailbox"), MailRefused),
        (Inbox(rcpt="450 mailbox busy"), MailUnavailable),
        (Inbox(data="554 looks like spam"), MailRefused),
        (Inbox(data="452 disk full"), MailUnavailable),
    ],
    ids=lambda value: f"{value.rcpt}, {value.data}" if isinstance(value, Inbox) else value.__name__,
)
def test_a_reply_says_whether_trying_again_helps(inbox: Inbox, error: type[Exception]) -> None:
    """5xx is for good, 4xx is for now (RFC 5321, 4.2.1); both mean that nothing was sent."""
    with pytest.raises(error, match=r"^[45]\d\d "):
        send(inbox)
    assert inbox.mails == []


def test_a_lost_reply_is_unknown() -> None:
    """The server has the mail, and the connection goes away before it says so."""
    inbox = Inbox()
    inbox.hang_up = True
    with pytest.raises(OutcomeUnknown, match="did not answer"):
        send(inbox)
    assert len(inbox.mails) == 1


def test_a_server_that_falls_silent_is_unknown() -> None:
    """The mailer gives up after its own time limit."""
    inbox = Inbox()
    inbox.silent = asyncio.Event()
    with pytest.raises(OutcomeUnknown, match="timed out"):
        send(inbox, timeout_seconds=0.2)
    assert len(inbox.mails) == 1


def test_a_server_that_is_away_is_worth_another_try() -> None:
    """Nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(MailUnavailable, match="ConnectionRefusedError"):
        mailer(port).send_welcome(WELCOME, CALL)


@pytest.mark.parametrize(
    ("greeting", "error"),
    [(b"", MailUnavailable), (b"421 busy\r\n", MailUnavailable), (b"554 go away\r\n", MailRefused)],
)
def test_a_server_that_does_not_greet_gets_no_mail(greeting: bytes, error: type[Exception]) -> None:
    """It hangs up, is busy, or does not want us at all."""

    async def body() -> None:
        def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(greeting)
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            port = server.sockets[0].getsockname()[1]
            await asyncio.to_thread(mailer(port).send_welcome, WELCOME, CALL)

    with pytest.raises(error):
        asyncio.run(body())


def test_an_international_address_is_sent_as_it_is() -> None:
    """RFC 6531, where the server offers it."""
    inbox = Inbox()
    send(inbox, Welcome(user_id="u-1", to="jörg@exämple.com"))
    assert "jörg@exämple.com".encode() in inbox.mails[0]


def test_an_international_address_is_refused_where_the_server_cannot_take_it() -> None:
    """It would otherwise arrive at somebody else, or nowhere."""
    with pytest.raises(MailRefused, match="6531"):
        send(Inbox(), Welcome(user_id="u-1", to="jörg@example.com"), utf8=False)


def test_nothing_is_sent_without_the_encryption_that_was_asked_for() -> None:
    """The server does not offer STARTTLS."""
    inbox = Inbox()
    with pytest.raises(MailRefused, match="STARTTLS"):
        send(inbox, starttls=True)
    assert inbox.mails == []


def test_the_demos_mail_server_keeps_what_it_gets() -> None:
    """A line that begins with a dot included, and two mails in two connections."""

    async def body() -> list[tuple[str, str]]:
        async with SmtpSink() as sink:
            for call in (CALL, Call(run_id="run-1", step="3", attempt=1, idempotency_key=".dot")):
                await asyncio.to_thread(
                    mailer(sink.port).send_welcome, Welcome(user_id="u\n.dot", to="a@example.com"), call
                )
            return [(mail["Message-ID"], mail.get_content()) for mail in sink.mails]

    (first, text), (second, _) = asyncio.run(body())
    assert (first, second) == ("<3e0a@example.org>", "<.dot@example.org>")
    assert "user id is u\n.dot." in text.replace("\r\n", "\n")
