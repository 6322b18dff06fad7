"""An SMTP server on loopback that keeps what it is given, and answers as it is told (aiosmtpd, in the test's own event loop)."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session

OK = "250 OK"
DROP = "drop"


@dataclass
class Mailbox:
    """Mails so far, and the answers to the greeting of a recipient (`rcpt`) and to a mail (`data`). `DROP` drops the line."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    envelopes: list[tuple[str, list[str]]] = field(default_factory=list)
    rcpt: str = OK
    data: str = OK
    encrypted: list[bool] = field(default_factory=list)
    connections: int = 0
    senders: list[Any] = field(default_factory=list)
    """Channels that may hold connections, for the test to close."""
    protocols: list[SMTP] = field(default_factory=list)

    def hang_up(self) -> None:
        """Drops every connection."""
        for one in self.protocols:
            if one.transport is not None:
                one.transport.abort()

    async def handle_RCPT(self, _server: SMTP, _session: Session, envelope: Envelope, address: str, _options: list[str]) -> str:  # noqa: N802 aiosmtpd's name
        if self.rcpt == OK:
            envelope.rcpt_tos.append(address)
        return self.rcpt

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802 aiosmtpd's name
        content = cast("bytes", envelope.content)
        self.mails.append(cast("EmailMessage", message_from_bytes(content, policy=policy.default)))
        self.envelopes.append((str(envelope.mail_from), list(envelope.rcpt_tos)))
        self.encrypted.append(session.ssl is not None)
        if self.data == DROP:
            cast("asyncio.Transport", server.transport).abort()
            await asyncio.Event().wait()
        return self.data


@asynccontextmanager
async def mailbox(*, tls: ssl.SSLContext | None = None, port: int = 0) -> AsyncIterator[Mailbox]:
    """A server at work, by default on a free port; with `tls` it offers STARTTLS."""
    box = Mailbox()

    def protocol() -> SMTP:
        options: dict[str, Any] = {"tls_context": tls} if tls else {}
        box.connections += 1
        box.protocols.append(SMTP(box, hostname="mail.test", loop=asyncio.get_running_loop(), **options))
        return box.protocols[-1]

    server = await asyncio.get_running_loop().create_server(protocol, "127.0.0.1", port)
    box.port = server.sockets[0].getsockname()[1]
    try:
        yield box
    finally:
        server.close()
        box.hang_up()
        await asyncio.sleep(0)
