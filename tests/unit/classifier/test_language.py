from __future__ import annotations

import pytest

from services.classifier.language import UNKNOWN, guess


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
