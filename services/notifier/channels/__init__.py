"""The ways to reach people: one module each, and one line in the table."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from services.notifier.channels.chat import CHATS, channel_of
from services.notifier.channels.email import EmailChannel
from services.notifier.channels.file import FileChannel
from services.notifier.channels.outcome import Channel
from services.notifier.channels.terminal import TerminalChannel
from services.notifier.channels.tools import Tools
from services.notifier.channels.webhook import WebhookChannel

CHANNELS: Mapping[str, Callable[[Tools], Channel]] = {
    "webhook": WebhookChannel.build,
    "email": EmailChannel.build,
    "terminal": TerminalChannel.build,
    "file": FileChannel.build,
    **{kind: channel_of(chat) for kind, chat in CHATS.items()},
}
"""Every kind of destination and what builds its channel."""
