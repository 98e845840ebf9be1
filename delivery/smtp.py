"""E-mail through a plain SMTP server: the second provider, for when the first one certainly refused.

One connection per message, in a thread. The line between refused and ambiguous runs through DATA: up to the final dot
the server has nothing; once the text is on its way, only its answer says whether it took it. SMTP has no idempotency
and no look-up, so an ambiguity is left to a person. The Message-ID is derived from the key, which lets mailboxes drop
a duplicate made by a manual replay.
"""

from __future__ import annotations

import contextlib
import hashlib
import smtplib
import ssl
from collections.abc import Iterator
from datetime import datetime
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import formatdate, parseaddr
from urllib.parse import unquote, urlsplit

from delivery.channel import Ambiguous, Message, Permanent, Receipt, Remedy, SendError, Transient, Unauthorized
from delivery.threads import Threads


class Smtp:
    """The SMTP edge: ``smtp://user:password@host:587`` (STARTTLS where offered) or ``smtps://…``."""

    provider = "smtp"
    remedy: Remedy = "give_up"

    def __init__(self, url: str, *, timeout_seconds: float) -> None:
        self._url = urlsplit(url)
        self._timeout_seconds = timeout_seconds
        self._threads = Threads("smtp")

    async def send(self, message: Message) -> Receipt:
        """Send it once; raise a `SendError` unless the server took it."""
        receipt: Receipt = await self._threads.run(self._send, message)
        return receipt

    async def find(self, message: Message, *, since: datetime, known: frozenset[str]) -> Receipt | None:
        """SMTP cannot be asked."""
        raise NotImplementedError

    async def close(self) -> None:
        """End the threads; nothing is held open between two messages."""
        self._threads.close()

    def _send(self, message: Message) -> Receipt:
        mail = _compose(message)
        server = self._connect()
        with contextlib.closing(server):
            with _refused_is_definite():
                self._greet(server)
                server.ehlo_or_helo_if_needed()
                self._address(server, message)
            status = self._say(server, mail)
        return Receipt(self.provider, mail["Message-ID"], status)

    def _connect(self) -> smtplib.SMTP:
        host = self._url.hostname or "localhost"
        try:
            if self._url.scheme == "smtps":
                return smtplib.SMTP_SSL(host, self._url.port or 465, timeout=self._timeout_seconds)
            return smtplib.SMTP(host, self._url.port or 587, timeout=self._timeout_seconds)
        except (OSError, smtplib.SMTPException) as error:
            raise Transient(f"{type(error).__name__}: {error}", code="unreachable") from error

    def _greet(self, server: smtplib.SMTP) -> None:
        server.ehlo()
        if self._url.scheme == "smtp" and server.has_extn("starttls"):
            server.starttls(context=ssl.create_default_context())
            server.ehlo()
        if self._url.username:
            server.login(unquote(self._url.username), unquote(self._url.password or ""))

    @staticmethod
    def _address(server: smtplib.SMTP, message: Message) -> None:
        _expect(server.mail(parseaddr(message.sender)[1]))
        _expect(server.rcpt(message.address))

    @staticmethod
    def _say(server: smtplib.SMTP, mail: EmailMessage) -> int:
        try:
            code, text = server.data(mail.as_bytes(policy=SMTP_POLICY))
        except smtplib.SMTPDataError as error:
            raise _refusal(error.smtp_code, error.smtp_error) from error
        except (OSError, smtplib.SMTPException) as error:
            raise Ambiguous(f"{type(error).__name__}: {error}", remedy="give_up", code="no_answer") from error
        _expect((code, text))
        return code


def _compose(message: Message) -> EmailMessage:
    mail = EmailMessage()
    mail["From"], mail["To"], mail["Subject"] = message.sender, message.address, message.title
    mail["Date"] = formatdate(usegmt=True)
    domain = parseaddr(message.sender)[1].rpartition("@")[2]
    mail["Message-ID"] = f"<{hashlib.sha256(message.key.encode()).hexdigest()[:40]}@{domain}>"
    for name, value in message.headers.items():
        mail[name] = value
    mail.set_content(message.text)
    if message.html is not None:
        mail.add_alternative(message.html, subtype="html")
    return mail


@contextlib.contextmanager
def _refused_is_definite() -> Iterator[None]:
    """Before DATA nothing can have been accepted, however the conversation ends."""
    try:
        yield
    except smtplib.SMTPAuthenticationError as error:
        raise Unauthorized(f"login refused: {error}", status=error.smtp_code) from error
    except smtplib.SMTPResponseException as error:
        raise _refusal(error.smtp_code, error.smtp_error) from error
    except (OSError, smtplib.SMTPException) as error:
        raise Transient(f"{type(error).__name__}: {error}", code="no_answer") from error


def _expect(answer: tuple[int, bytes]) -> None:
    code, text = answer
    if not 200 <= code < 300:
        raise _refusal(code, text)


def _refusal(code: int, text: bytes | str) -> SendError:
    """4yz may work later, 5yz never (RFC 5321, section 4.2.1)."""
    detail = text.decode(errors="replace") if isinstance(text, bytes) else text
    return Transient(detail, status=code) if 400 <= code < 500 else Permanent(detail, status=code)
