"""The H20 story from pushed news to the mailbox, on Kafka: one mail for each turn, none for a retelling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.acceptance.line import Home, push
from tests.servers.kafka import KafkaServer
from tests.servers.mail import Mailbox


def news(outlet: str, days_ago: float, title: str, text: str, *, tier: int = 1, language: str = "en") -> dict[str, Any]:
    return {
        "id": f"{outlet}-{days_ago}",
        "title": title,
        "text": text,
        "language": language,
        "source": outlet,
        "published": (datetime.now(UTC) - timedelta(days=days_ago)).isoformat(),
        "url": f"https://{outlet}.example/{days_ago}",
        "tier": tier,
    }


SHELVED = news(
    "npr", 6,
    "US drops plan to curb exports of Nvidia's H20 chip to China",
    "The administration has backed off a plan to restrict sales of the H20 AI chip to China, two people familiar with the decision told NPR.",
)  # fmt: skip
RETOLD = (
    news("mashreq", 5.9, "واشنطن تتراجع عن خطة لتقييد صادرات رقائق H20 إلى الصين", "ذكرت NPR أن الإدارة الأميركية تخلت عن خطة تقييد تصدير رقاقة إنفيديا H20 إلى الصين.", tier=2, language="ar"),
    news("readwire", 5.8, "特朗普政府放弃限制英伟达H20芯片对华出口的计划", "据NPR报道，两名知情人士称，美国政府已放弃限制H20芯片对华出口的计划。", tier=2, language="zh-Hans"),
    news("chipblatt", 5.7, "USA verzichten auf Exportbeschränkungen für Nvidias H20 nach China", "Die Regierung lässt den Plan fallen, die Ausfuhr des KI-Chips H20 nach China zu beschränken, berichtete NPR.", tier=2, language="de"),
)  # fmt: skip
LICENCE_NEEDED = news(
    "wire", 5,
    "Nvidia says US now requires licence to export H20 chips to China",
    "The Commerce Department told the company that exports of H20 chips to China need a licence, Nvidia said in a filing on Tuesday.",
)  # fmt: skip
ASSURED = news(
    "reuters", 3,
    "US to allow Nvidia to resume H20 chip exports to China",
    "The Commerce Department assured Nvidia that licences to export the H20 to China will be granted, the company announced.",
)  # fmt: skip
CHINA_SIDE = news(
    "ft", 1,
    "China tells companies to stop buying Nvidia H20 chips",
    "China's internet regulator ordered technology groups to halt purchases of Nvidia's H20 chips, people familiar with the matter told the Financial Times.",
)  # fmt: skip


@pytest.mark.kafka
@pytest.mark.timeout(120)
def test_each_turn_of_the_h20_story_is_one_mail_and_retellings_are_none(new_kafka: KafkaServer, make_home: Callable[..., Home], mails: Mailbox) -> None:
    home = make_home("home", broker=f"kafka://{new_kafka.address}", classifier_encoder="true", notifier_smtp=f"smtp://127.0.0.1:{mails.port}")
    home.subscribe(mail="desk@example.com")
    child = home.start("run").ready()

    turns: list[tuple[Sequence[dict[str, Any]], int, int]] = [
        ([SHELVED], 1, 1),
        (RETOLD, 4, 1),
        ([LICENCE_NEEDED], 5, 2),
        ([ASSURED], 6, 3),
        ([SHELVED, LICENCE_NEEDED], 6, 3),
        ([CHINA_SIDE], 7, 4),
    ]
    for items, placed, mailed in turns:
        assert push(child, items).status == 202
        child.until(lambda placed=placed: child.metric("chipwire_notifier_placements_total") == placed, 40)
        child.until(lambda mailed=mailed: len(mails.mails) == mailed, 40)

    outcomes = {name: child.metric(f'chipwire_notifier_placements_total{{outcome="{name}"}}') for name in ("opened", "joined", "reversed")}
    assert outcomes == {"opened": 2, "joined": 3, "reversed": 2}
    assert [mail["Subject"].split(":")[0] for mail in mails.mails] == ["REPORTED", "ANNOUNCED", "ANNOUNCED", "REPORTED"]
    assert child.stopped() == 0
