from __future__ import annotations

import pytest

from services.classifier.classify import classify
from services.classifier.language import UNKNOWN, guess
from services.classifier.rules import Ruleset
from tests import make


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("The US has eased its export curbs on chips for China", "en"),
        ("Die USA lockern die Exportbeschränkungen für Chips nach China", "de"),
        ("Washington assouplit les restrictions à l'exportation de puces vers la Chine", "fr"),
        ("EE.UU. endurece los controles de exportación de semiconductores a China", "es"),
        ("Het kabinet scherpt de exportregels voor chipmachines aan", "nl"),
        ("Gli Stati Uniti allentano le restrizioni all'export di semiconduttori verso la Cina", "it"),
        ("EUA impõem novas restrições à exportação de chips de IA para a China", "pt"),
        ("ABD, Çin'e yapay zeka çipleri için ihracat kısıtlamalarını gevşetti", "tr"),
        ("Mỹ nới lỏng hạn chế xuất khẩu chip AI sang Trung Quốc", "vi"),
        ("AS akan memperketat kontrol ekspor cip untuk Tiongkok dan negara lain", "id"),
        ("USA zaostrzają ograniczenia eksportu półprzewodników do Chin", "pl"),
        ("США смягчили ограничения на экспорт чипов", "ru"),
        ("США послабили обмеження на експорт чіпів і їх поставки", "uk"),
        ("واشنطن تخفف قيود تصدير الرقائق إلى الصين", "ar"),
        ("آمریکا محدودیت صادرات تراشه به چین را کاهش داد", "fa"),
        ("美国放宽对华芯片出口限制", "zh-Hans"),
        ("美國放寬對華晶片出口限制", "zh-Hant"),
        ("米国が半導体の輸出規制を緩和する", "ja"),
        ("미국, 반도체 수출통제 완화", "ko"),
        ("अमेरिका ने चिप निर्यात पर ढील दी", "hi"),
    ],
)
def test_the_language_shows_in_letters_and_small_words(text: str, tag: str) -> None:
    assert guess(text).tag == tag


def test_the_hint_of_the_source_decides_where_the_words_leave_it_open() -> None:
    assert guess("Nvidia H20 China", "nl").tag == "nl"


def test_the_words_outweigh_a_hint_that_they_contradict() -> None:
    assert guess("Die USA lockern die Regeln für den Export von Chips nach China und Taiwan", "en").tag == "de"


def test_a_hint_of_another_script_is_not_believed() -> None:
    assert guess("美国放宽对华芯片出口限制", "en").tag == "zh-Hans"


@pytest.mark.parametrize("text", ["", "   ", "12:30", "…"])
def test_a_text_without_letters_has_no_known_language(text: str) -> None:
    assert guess(text) == UNKNOWN


def test_a_bare_name_leaves_the_guess_below_what_blocks_anything() -> None:
    assert guess("Nvidia H20").confidence < 0.7


@pytest.mark.parametrize(
    "text",
    [
        "今天天氣很好，適合出門散步，大家都來了。",
        "今日はとても天気がいいので散歩に行きます。",
        "오늘은 날씨가 매우 좋아서 산책하기 좋습니다.",
        "Heute ist das Wetter sehr schön und wir gehen mit den Kindern in den Park.",
        "Il fait très beau aujourd'hui et nous allons nous promener dans le parc avec les enfants.",
        "Hoy hace muy buen tiempo y vamos a pasear por el parque con los niños.",
    ],
)
def test_a_headline_counts_in_its_own_language_whatever_the_text_is_in(text: str, ruleset: Ruleset) -> None:
    item = make.news_item(title="US drops plan to curb Nvidia H20 chip sales to China, sources say", language="en")

    alone, above = classify(item, ruleset), classify(item.model_copy(update={"text": text}), ruleset)

    assert [hit.id for hit in above.rules] == [hit.id for hit in alone.rules]
    assert above.verdict == alone.verdict == "alert"
