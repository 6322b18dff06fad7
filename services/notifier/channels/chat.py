"""Alerts into chats: Slack, Teams, Discord, Telegram and ntfy, over the same guarded client, queue and journal as webhooks.

    Message -> the text, cut to what the chat takes, its marks made harmless -> JSON -> POST to an address that is itself the secret

A chat has no id by which it knows what it has seen: after a lost answer an alert may stand there twice. The id goes with the request all the same.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit, urlunsplit

import orjson

from services.notifier.channels.harmless import harmless
from services.notifier.channels.html import direction
from services.notifier.channels.outcome import Channel, Final, Message, Outcome, Reason, Retry
from services.notifier.channels.tools import Tools
from services.notifier.channels.webhook import READ, outcome_of
from services.notifier.render import is_link, one_line
from services.runtime.clock import Clock
from services.runtime.errors import Rejected
from services.runtime.http import HttpClient, HttpFailure, Response

_MARKS = re.compile(r"([\\*_~`|>#\[\]()])")
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
_LONGEST_WAIT = 86_400

Body = Callable[[Message, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Chat:
    """How one service wants to be spoken to. `gone` are the answers of a chat that is no more."""

    body: Body
    gone: frozenset[int]
    to: Callable[[str], str] = lambda address: address


class ChatChannel:
    """One chat service."""

    def __init__(self, chat: Chat, http: HttpClient, clock: Clock, deadline: timedelta) -> None:
        self._chat = chat
        self._http = http
        self._clock = clock
        self.deadline = deadline

    async def send(self, message: Message) -> Outcome:
        try:
            url, body = self._chat.to(message.address), orjson.dumps(self._chat.body(message, message.address))
            headers = {"content-type": "application/json", "webhook-id": message.id}
            answer = await self._http.request("POST", url, headers=headers, content=body, deadline=self.deadline, max_body=READ, whole=False)
        except HttpFailure as exc:
            return Retry(Reason(exc.reason.value), maybe_sent=exc.sent == "maybe")
        except (Rejected, ValueError):
            return Final(Reason.BAD_URL)
        return self._outcome(answer, self._clock.now())

    async def close(self) -> None:
        """Nothing is held open."""

    def _outcome(self, answer: Response, now: datetime) -> Outcome:
        if answer.status in self._chat.gone:
            return Final(Reason.GONE, answer.status, disable=True)
        outcome = outcome_of(answer.status, answer.headers.get("retry-after"), now)
        if isinstance(outcome, Retry) and outcome.reason is Reason.THROTTLED and outcome.after is None:
            return Retry(Reason.THROTTLED, _wait_in(answer.body), answer.status)
        return outcome


def channel_of(chat: Chat) -> Callable[[Tools], Channel]:
    """What builds the channel of a chat service."""
    return lambda tools: ChatChannel(chat, tools.http, tools.clock, tools.settings.webhook_deadline)


# ---- one function for each service


def slack(message: Message, _address: str) -> dict[str, Any]:
    """An incoming webhook. Slack's three marks are escaped as it asks, so that `<!channel>` calls nobody (docs.slack.dev, formatting message text)."""
    text = harmless(message.text).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    return {"text": cut(text, 4_000, _utf16), "mrkdwn": False, "unfurl_links": False, "unfurl_media": False}


def discord(message: Message, _address: str) -> dict[str, Any]:
    """Execute Webhook: 2,000 characters, nobody mentioned, no previews (flag 4)."""
    return {"content": cut(unmarked(message.text), 2_000, _utf16), "allowed_mentions": {"parse": []}, "flags": 4}


def teams(message: Message, _address: str) -> dict[str, Any]:
    """An adaptive card for a workflow that posts what it receives; a card has at most 28 KB."""
    head, _, rest = cut(unmarked(message.text), 15_000, _utf8).partition("\n")
    blocks = [block for block in rest.split("\n\n") if block.strip()]
    title = {"type": "TextBlock", "text": head, "wrap": True, "weight": "Bolder", "size": "Medium"}
    body = [title, *({"type": "TextBlock", "text": block.strip().replace("\n", "\n\n"), "wrap": True, "spacing": "Medium"} for block in blocks)]
    card = {"$schema": _SCHEMA, "type": "AdaptiveCard", "version": "1.5", "rtl": direction(message.language) == "rtl", "body": body}
    return {"type": "message", "attachments": [{"contentType": "application/vnd.microsoft.card.adaptive", "contentUrl": None, "content": card}]}


def telegram(message: Message, address: str) -> dict[str, Any]:
    """sendMessage without a parse mode: nothing in the text is a mark. The address names the chat: `…/botTOKEN/sendMessage?chat_id=ID`."""
    chats = parse_qs(urlsplit(address).query).get("chat_id", [])
    if len(chats) != 1:
        raise ValueError("the address names no chat_id")
    return {"chat_id": chats[0], "text": cut(harmless(message.text), 4_096, _utf16), "link_preview_options": {"is_disabled": True}}


def ntfy(message: Message, address: str) -> dict[str, Any]:
    """Published as JSON: 4,096 bytes; the more severe, the louder."""
    topic = urlsplit(address).path.strip("/").rpartition("/")[2]
    if not topic:
        raise ValueError("the address names no topic")
    priority = max(3, message.event.facts.severity or 3)
    return {"topic": topic, "title": one_line(message.subject), "message": cut(harmless(message.text), 4_000, _utf8), "priority": priority}


def _without_query(address: str) -> str:
    return urlunsplit(urlsplit(address)._replace(query=""))


def _above_topic(address: str) -> str:
    """ntfy takes JSON at its root; a token stays in the query (`?auth=`)."""
    url = urlsplit(address)
    return urlunsplit(url._replace(path=url.path.rstrip("/").rpartition("/")[0] + "/"))


CHATS: Mapping[str, Chat] = {
    "slack": Chat(slack, frozenset({404, 410})),
    "teams": Chat(teams, frozenset({410})),
    "discord": Chat(discord, frozenset({404, 410})),
    "telegram": Chat(telegram, frozenset({403, 410}), _without_query),
    "ntfy": Chat(ntfy, frozenset({410}), _above_topic),
}
"""Every chat service. 403 of Telegram: the bot was thrown out."""


# ---- text


def unmarked(text: str) -> str:
    """Text in which no character is a mark of Markdown. A line that is a link stays one."""
    return "\n".join(line if is_link(line.strip()) else _MARKS.sub(r"\\\1", line) for line in harmless(text).split("\n"))


def cut(text: str, most: int, size: Callable[[str], int]) -> str:
    """The text, or as many of its first lines as fit, and an ellipsis. A first line that is too long is cut itself."""
    if size(text) <= most:
        return text
    kept, room = [], most - size("\n…")
    for line in text.split("\n"):
        room -= size(line) + 1
        if room < 0:
            break
        kept.append(line)
    return "\n".join(kept) + "\n…" if kept else text[: most // 4 - 1] + "…"


def _utf16(text: str) -> int:
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def _utf8(text: str) -> int:
    return len(text.encode("utf-8", "replace"))


def _wait_in(body: bytes) -> timedelta | None:
    """How long to wait, as Discord and Telegram say it in the answer: seconds in `retry_after`, at the top or under `parameters`."""
    try:
        told = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if not isinstance(told, dict):
        return None
    inner = told.get("parameters")
    seconds = told.get("retry_after", inner.get("retry_after") if isinstance(inner, dict) else None)
    return timedelta(seconds=min(seconds, _LONGEST_WAIT)) if isinstance(seconds, int | float) and seconds > 0 else None
