import itertools
import re
from pathlib import Path

import pytest

from schemas.config.template import Template
from schemas.events.signal import ACTIONS, STAGES, Company
from services.notifier.headline import headline
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir, read_yaml
from services.runtime.errors import Misconfigured
from tests import make

TEMPLATES = load_templates(ConfigDir())
NVIDIA = Company(id="NVIDIA", role="seller")


def told(language: str = "en", **facts) -> str:
    return headline(make.facts(**({"companies": ()} | facts)), language=language, templates=TEMPLATES)


ENGLISH = [
    ("REPORTED: US drops planned export curbs on NVIDIA H20 to China", {"companies": (NVIDIA,)}),
    ("REPORTED: Planned export curbs on NVIDIA H20 to China dropped", {"imposers": ()}),
    ("WITHDRAWN: US drops planned export curbs on AI chips to China", {"stage": "withdrawn", "products": ("ai_accelerators",)}),
    ("REPORTED: US drops planned easing of export controls on NVIDIA H20 to China", {"direction": "tighten"}),
    ("ANNOUNCED: US withdraws permission to export chipmaking tools to China", {"action": "rescind", "direction": "tighten", "stage": "announced", "products": ("chip_equipment",)}),
    ("PUBLISHED: US lifts export curbs on AI chips", {"action": "rescind", "direction": "loosen", "stage": "published", "products": ("ai_accelerators",), "targets": ("*",)}),
    ("IN FORCE: China suspends export curbs on gallium, germanium and antimony to the US", {"action": "suspend", "stage": "in_force", "imposers": ("CN",), "targets": ("US",), "products": ("gallium", "germanium", "antimony")}),
    ("PROPOSED: Netherlands to tighten export controls on DUV lithography tools to China", {"action": "tighten", "direction": "tighten", "stage": "proposed", "imposers": ("NL",), "products": ("DUV",)}),
    ("PROPOSED: US plans tighter export controls on chips to China", {"action": "propose", "direction": "tighten", "stage": "proposed", "products": ()}),
    ("WITHDRAWN: US move to tighten export controls on chips to China", {"action": "propose", "direction": "tighten", "stage": "withdrawn", "products": ()}),
    ("PUBLISHED: US and Japan tighten export controls on chips to China", {"action": "tighten", "direction": "tighten", "stage": "published", "imposers": ("US", "JP"), "products": ()}),
    ("ANNOUNCED: US grants NVIDIA and AMD licences to export H20 and MI308 to China", {"action": "licence_grant", "stage": "announced", "companies": (NVIDIA, Company(id="AMD", role="seller")), "products": ("H20", "MI308")}),
    ("ANNOUNCED: Licences granted to export NVIDIA H20 to China", {"action": "licence_grant", "stage": "announced", "imposers": (), "companies": (Company(id="Tencent", role="buyer"),)}),
    ("IN FORCE: US adds Huawei, SMIC, YMTC and 1 more to export control list", {"action": "list_add", "direction": "tighten", "stage": "in_force", "companies": (*(Company(id=name, role="listed") for name in ("Huawei", "SMIC", "YMTC", "CXMT")), NVIDIA)}),
    ("IN FORCE: Companies in China added to export control list", {"action": "list_add", "direction": "tighten", "stage": "in_force", "imposers": ()}),
    ("REPORTED: China restricts imports of NVIDIA H20 from the US", {"action": "restrict_import", "direction": "tighten", "imposers": ("CN",), "targets": ("US",)}),
    ("REPORTED: China restricts imports of NVIDIA H20", {"action": "restrict_import", "direction": "tighten", "imposers": ("CN",), "targets": ("CN",)}),
    ("ANNOUNCED: Netherlands orders state intervention at Nexperia", {"action": "intervene", "direction": "tighten", "stage": "announced", "imposers": ("NL",), "companies": (Company(id="Nexperia"),)}),
    ("REPORTED: US eases export controls on NVIDIA H20, H200, AMD MI308 and 2 more to China, Macau and countries under a US arms embargo", {"action": "loosen", "products": ("H20", "H200", "MI308", "B30A", "gallium"), "targets": ("CN", "MO", "D:5")}),
    ("REPORTED: US eases export controls on chips to China (Samsung and SK hynix)", {"action": "loosen", "products": (), "companies": (Company(id="Samsung"), Company(id="SKhynix"))}),
    ("STAGE UNCLEAR: Export rules on chips changed", {"action": None, "direction": None, "stage": None, "imposers": (), "targets": (), "products": ()}),
    ("STAGE UNCLEAR: US changes export rules on X 99 to Atlantis", {"action": "embroider", "direction": "sideways", "stage": "dreamt", "products": ("X_99",), "targets": ("Atlantis",)}),
]  # fmt: skip

TOLD = [
    ("de", "BERICHTET: USA kippen geplante Exportbeschränkungen für NVIDIA H20 nach China", {}),
    (
        "de",
        "ANGEKÜNDIGT: Niederlande widerrufen Exporterlaubnis für DUV-Lithografie in die USA",
        {"action": "rescind", "direction": "tighten", "stage": "announced", "imposers": ("NL",), "targets": ("US",), "products": ("DUV",)},
    ),
    (
        "nl",
        "VOORGESTELD: VS en Japan willen exportcontroles op EUV-machines naar China verscherpen",
        {"action": "tighten", "direction": "tighten", "stage": "proposed", "imposers": ("US", "JP"), "products": ("EUV",)},
    ),
    ("fr", "SELON LA PRESSE: Les États-Unis abandonnent les restrictions prévues à l'exportation de NVIDIA H20 vers la Chine", {}),
    (
        "fr",
        "EN VIGUEUR: La Chine suspend les restrictions à l'exportation d'antimoine vers les États-Unis",
        {"action": "suspend", "stage": "in_force", "imposers": ("CN",), "targets": ("US",), "products": ("antimony",)},
    ),
    ("es", "SEGÚN LA PRENSA: EE. UU. abandona las restricciones previstas a la exportación de NVIDIA H20 a China", {}),
    (
        "ru",
        "ОБЪЯВЛЕНО: Япония и Нидерланды снимают экспортные ограничения на фоторезист в Китай и на Тайвань",
        {"action": "rescind", "stage": "announced", "imposers": ("JP", "NL"), "targets": ("CN", "TW"), "products": ("photoresist",)},
    ),
    ("zh-Hans", "媒体报道: 美国放弃限制英伟达H20对中国出口的计划", {}),
    ("zh-Hant", "媒體報導: 美國放棄限制輝達H20對中國出口的計畫", {}),
    ("ja", "報道: 米国、中国向けエヌビディア H20の輸出規制案を撤回", {}),
    ("ko", "보도: 미국, 중국에 대한 엔비디아 H20 수출 통제 계획 철회", {}),
]

ARABIC = [
    ("تقرير: تتراجع الولايات المتحدة عن خطط تقييد تصدير رقائق NVIDIA H20 إلى الصين", {"companies": (NVIDIA,)}),
    ("تقرير: التراجع عن خطط تقييد تصدير رقائق NVIDIA H20 إلى الصين", {"imposers": ()}),
    ("مقترح: خطة للتراجع عن خطط تقييد تصدير رقائق NVIDIA H20 إلى الصين", {"imposers": (), "stage": "proposed"}),
    ("معلن: يشدد الاتحاد الأوروبي ضوابط تصدير الرقائق إلى روسيا", {"action": "tighten", "direction": "tighten", "stage": "announced", "imposers": ("EU",), "targets": ("RU",), "products": ()}),
    ("معلن: تشدد الولايات المتحدة والاتحاد الأوروبي ضوابط تصدير الرقائق إلى روسيا", {"action": "tighten", "direction": "tighten", "stage": "announced", "imposers": ("US", "EU"), "targets": ("RU",), "products": ()}),
    ("مقترح: يعتزم الاتحاد الأوروبي تشديد ضوابط تصدير الرقائق إلى روسيا", {"action": "tighten", "direction": "tighten", "stage": "proposed", "imposers": ("EU",), "targets": ("RU",), "products": ()}),
    ("مسحوب: خطوة هولندا لتشديد ضوابط تصدير آلات الطباعة الضوئية DUV إلى الصين", {"action": "tighten", "direction": "tighten", "stage": "withdrawn", "imposers": ("NL",), "products": ("DUV",)}),
    ("معلن: تمنح الولايات المتحدة NVIDIA تراخيص لتصدير رقائق H20 إلى الصين", {"action": "licence_grant", "stage": "announced", "companies": (NVIDIA,)}),
    ("سارٍ: إضافة Huawei وSMIC إلى قائمة ضوابط التصدير", {"action": "list_add", "direction": "tighten", "stage": "in_force", "imposers": (), "companies": (Company(id="Huawei"), Company(id="SMIC"))}),
    ("سارٍ: تعلق الصين قيود تصدير الغاليوم والجرمانيوم والأنتيمون وغيرها إلى الولايات المتحدة", {"action": "suspend", "stage": "in_force", "imposers": ("CN",), "targets": ("US",), "products": ("gallium", "germanium", "antimony", "superhard")}),
]  # fmt: skip


@pytest.mark.parametrize(("expected", "facts"), ENGLISH, ids=[expected for expected, _ in ENGLISH])
def test_the_facts_become_an_english_sentence(expected, facts):
    assert told(**facts) == expected


@pytest.mark.parametrize(("expected", "facts"), ARABIC, ids=range(len(ARABIC)))
def test_the_facts_become_an_arabic_sentence(expected, facts):
    assert told("ar", **facts) == expected


@pytest.mark.parametrize(("language", "expected", "facts"), TOLD, ids=[f"{language}: {expected}" for language, expected, _ in TOLD])
def test_the_facts_become_a_sentence_in_every_language(language, expected, facts):
    assert told(language, **facts) == expected


def test_eleven_languages_are_spoken():
    assert set(TEMPLATES) == {"en", "ar", "zh-Hans", "zh-Hant", "ja", "ko", "nl", "de", "fr", "es", "ru"}


PREPOSITIONS = {
    "en": "to|from|of|on|in|for|against|and|at|by",
    "ar": "إلى|من|على|عن|في|و|ل|ب",
    "de": "nach|aus|von|auf|für|an|bei|gegen|und|der|die|in",
    "nl": "naar|uit|van|op|voor|bij|tegen|en|in",
    "fr": "vers|de|sur|pour|chez|contre|et",
    "es": "a|de|para|contra",
    "ru": "в|во|из|с|на|от|и|за",
    "ja": "の|を|に|と|へ|向け|からの",
    "ko": "의|에|에 대한|산",
    "zh-Hans": "对|自|将|和|的",
    "zh-Hant": "對|自|將|和|的",
}
"""Words that join what stands on both sides of them."""
FAULTS = {
    "a word that is not one": r"None|[{}<>|\[\]_]",
    "a gap": r"\s\s|^\s|\s$|\s[,.;)،؛]|\(\s|\(\)",
    "a dangling word": r"(?:^|\s)(?:PREPOSITIONS)(?:$|\s*[(,،:]|\s(?:PREPOSITIONS)\s)",
    "a word twice": r"(?:^|\s)(\w+)\s\1(?:\s|$)",
    "letters that should have merged": r"\sلال",
}
COMBINATIONS = {
    "imposers": ((), ("US",), ("EU", "JP")),
    "targets": ((), ("CN",), ("*", "CN", "HK", "MO", "D:5")),
    "products": ((), ("H20",), ("gallium", "H20", "H100", "MI308", "EDA")),
    "companies": ((), (NVIDIA,), (Company(id="SKhynix", role="buyer"), Company(id="Huawei", role="listed"), Company(id="ASML"), Company(id="AMD"))),
}


@pytest.mark.parametrize("stage", [*STAGES, None])
@pytest.mark.parametrize("language", TEMPLATES)
def test_a_headline_begins_with_the_word_of_its_stage(language, stage):
    assert told(language, stage=stage).startswith(f"{TEMPLATES[language].stages[stage or 'unknown'].word}: ")


@pytest.mark.parametrize("stage", ["reported", "proposed", "withdrawn"], ids=["done", "planned", "ended"])
@pytest.mark.parametrize("language", TEMPLATES)
def test_no_combination_of_facts_makes_a_broken_sentence(language, stage):
    faults = {name: re.compile(pattern.replace("PREPOSITIONS", PREPOSITIONS[language])) for name, pattern in FAULTS.items()}
    word = TEMPLATES[language].stages[stage].word

    for action, direction in itertools.product((*ACTIONS, None), ("tighten", "loosen", "neutral", "mixed", None)):
        for values in itertools.product(*COMBINATIONS.values()):
            facts = {"action": action, "direction": direction, "stage": stage} | dict(zip(COMBINATIONS, values, strict=True))
            sentence = told(language, **facts)
            found = [name for name, fault in faults.items() if fault.search(sentence)]
            assert not found, (sentence, facts)
            assert sentence[len(word) + 2].isupper() or language != "en", sentence


@pytest.mark.parametrize("language", TEMPLATES)
@pytest.mark.parametrize("action", [action for action in ACTIONS if action not in ("intervene", "enforce")])
def test_tightening_and_loosening_never_read_the_same(language, action):
    assert told(language, action=action, direction="tighten") != told(language, action=action, direction="loosen")


def test_where_action_and_direction_contradict_each_other_the_direction_speaks():
    assert told(action="licence_grant", direction="tighten") == "REPORTED: US tightens export controls on NVIDIA H20 to China"


def test_a_language_without_a_template_is_told_in_english_and_a_region_in_its_language():
    assert told("tlh") == told("en")
    assert told("ar-EG") == told("ar")
    assert (told("zh-TW"), told("zh")) == (told("zh-Hant"), told("zh-Hans"))
    assert (told("zh-Hant-HK"), told("zh-Hans-SG")) == (told("zh-Hant"), told("zh-Hans"))


def test_every_language_knows_the_same_products_countries_and_agencies():
    english = TEMPLATES["en"]

    for words in TEMPLATES.values():
        for name in ("products", "countries", "agencies", "companies", "languages"):
            assert {key for key in getattr(english, name) if "-" not in key} <= set(getattr(words, name)), (words.language, name)
        assert words.makers == english.makers


def shipped(language: str) -> Path:
    return next(path for path in ConfigDir().files("templates", shipped="services.notifier:templates") if path.stem == language)


def test_a_missing_word_is_told_when_the_file_is_read(tmp_path):
    text = shipped("en").read_text("utf-8")
    broken = tmp_path / "en.yaml"
    broken.write_text(text.replace("  rumour:", "  rumor:", 1), "utf-8")

    with pytest.raises(Misconfigured, match=r"stages\.rumour is missing; stages\.rumor is no word of ours"):
        read_yaml(broken).to(Template)


def test_an_unknown_placeholder_is_told_with_its_place(tmp_path):
    text = shipped("en").read_text("utf-8")
    broken = tmp_path / "en.yaml"
    broken.write_text(text.replace("export controls on {what}", "export controls on {thing}", 1), "utf-8")

    with pytest.raises(Misconfigured, match=r"en\.yaml:\d+:\d+: .*unknown placeholder \{thing\}; expected \{what\}, \{whom\}, \{to\}, \{origin\}, \{firms\}"):
        read_yaml(broken).to(Template)


def test_a_team_can_reword_a_language(tmp_path):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "en.yaml").write_text(shipped("en").read_text("utf-8").replace("REPORTED", "HEARD"), "utf-8")

    assert headline(make.facts(), templates=load_templates(ConfigDir(tmp_path), "en")).startswith("HEARD: US drops")
