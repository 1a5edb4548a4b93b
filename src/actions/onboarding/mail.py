"""Sends the welcome mail by SMTP.

Nobody can unsend a mail, so the action is irreversible, and it matters all the more to know what happened: a refusal
is final, a server that is busy or away is tried again, and a server that falls silent once it has the message leaves
an unknown outcome. A repeated mail has the `Message-ID` of the first, by which mail systems drop the second.
"""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.policy import SMTP, SMTPUTF8

from ...errors import OutcomeUnknown
from ..call import Call
from .models import Sent, Welcome


class MailUnavailable(ConnectionError):
    """The mail server is away or busy (a 4xx reply); nothing was sent, try again later."""


class MailRefused(ValueError):
    """The mail server refuses this mail for good (a 5xx reply); nothing was sent."""


class Mailer:
    """Hands mails to one SMTP server. Its methods block, so as handlers they run in threads.

    Args:
        host: the server.
        port: 25, 587 ...
        sender: the address that mails come from; its domain ends each `Message-ID`.
        user: to log in with; None for no login.
        password: likewise.
        starttls: encrypt, check the server's certificate, and send nothing if either fails.
        timeout_seconds: for connecting and for each reply; keep it below the action's own time limit.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        sender: str,
        user: str | None = None,
        password: str = "",
        starttls: bool = False,
        timeout_seconds: float = 10.0,
    ) -> None:
        self._address = (host, port)
        self._sender = sender
        self._login = None if user is None else (user, password)
        self._starttls = starttls
        self._timeout_seconds = timeout_seconds

    def send_welcome(self, welcome: Welcome, call: Call) -> Sent:
        """Send the welcome mail.

        Raises:
            MailUnavailable: nothing was sent; try again later.
            MailRefused: nothing was sent, and trying again does not help.
            OutcomeUnknown: the server had the message and did not answer.
        """
        message = self._message(welcome, call)
        with self._connected() as smtp:
            self._hand_over(smtp, message)
        return Sent(message_id=message["Message-ID"])

    def _message(self, welcome: Welcome, call: Call) -> EmailMessage:
        message = EmailMessage(policy=SMTP if (self._sender + welcome.to).isascii() else SMTPUTF8)
        message["From"] = self._sender
        message["To"] = welcome.to
        message["Subject"] = "Welcome"
        message["Message-ID"] = f"<{call.idempotency_key}@{self._sender.rpartition('@')[2]}>"
        message.set_content(f"Welcome!\n\nYour account is ready. Your user id is {welcome.user_id}.\n")
        return message

    @contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        smtp = smtplib.SMTP(timeout=self._timeout_seconds)
        try:
            with _nothing_was_sent():
                _accepted(smtp.connect(*self._address))
                smtp.ehlo_or_helo_if_needed()
                if self._starttls:
                    _accepted(smtp.starttls(context=ssl.create_default_context()))
                if self._login is not None:
                    smtp.login(*self._login)
            yield smtp
            with suppress(OSError):  # The mail is sent; how the server says goodbye changes nothing.
                smtp.quit()
        finally:
            smtp.close()

    def _hand_over(self, smtp: smtplib.SMTP, message: EmailMessage) -> None:
        international = message.policy is SMTPUTF8
        if international and not smtp.has_extn("smtputf8"):
            raise MailRefused("the server does not take addresses beyond ASCII (RFC 6531)")
        with _nothing_was_sent():
            _accepted(smtp.mail(self._sender, ["SMTPUTF8", "BODY=8BITMIME"] if international else []))
            _accepted(smtp.rcpt(message["To"]))
        try:
            reply = smtp.data(message.as_bytes())
        except smtplib.SMTPDataError as refused:
            reply = (refused.smtp_code, _bytes(refused.smtp_error))
        except OSError as error:
            raise OutcomeUnknown(f"the mail server had the message and did not answer: {error}") from error
        _accepted(reply)


@contextmanager
def _nothing_was_sent() -> Iterator[None]:
    """Map what may go wrong before the message itself."""
    try:
        yield
    except (MailUnavailable, MailRefused):
        raise
    except smtplib.SMTPResponseException as refused:
        _accepted((refused.smtp_code, _bytes(refused.smtp_error)))
    except smtplib.SMTPNotSupportedError as error:
        raise MailRefused(str(error)) from error
    except OSError as error:  # smtplib's own errors are OSErrors too.
        raise MailUnavailable(f"{type(error).__name__}: {error}") from error


def _accepted(reply: tuple[int, bytes]) -> None:
    """Raise unless the server's reply (RFC 5321, 4.2.1) is a 2xx."""
    code, text = reply
    if 200 <= code < 300:
        return
    said = f"{code} {text.decode(errors='replace')}"
    raise MailRefused(said) if 500 <= code < 600 else MailUnavailable(said)


def _bytes(text: str | bytes) -> bytes:
    return text.encode() if isinstance(text, str) else text
