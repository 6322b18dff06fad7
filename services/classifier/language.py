"""Which language an item is in: by its letters, then by what its source says, and only where both leave it open by a model.

The guess decides how false friends among languages of one script are read, never whether terms of another script count.
"""

from __future__ import annotations

import re
from functools import cache
from typing import Protocol, cast

from schemas.events.signal import LanguageGuess

UNKNOWN = LanguageGuess(tag="und", confidence=0.0)
_SAMPLE = 600
"""Characters that are enough to tell."""

_KANA = re.compile("[\u3041-\u3096\u30a1-\u30fa]")
_HAN = re.compile("[\u3400-\u9fff]")
_HANGUL = re.compile("[\uac00-\ud7a3]")
_ARABIC = re.compile("[\u0620-\u064a\u0671-\u06d3]")
_CYRILLIC = re.compile("[\u0400-\u045f\u0490-\u04ff]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f\u1e00-\u1eff]")
_OTHERS = {
    "hi": re.compile("[\u0900-\u097f]"), "bn": re.compile("[\u0980-\u09ff]"), "ta": re.compile("[\u0b80-\u0bff]"), "th": re.compile("[\u0e00-\u0e7f]"),
    "am": re.compile("[\u1200-\u137f]"), "he": re.compile("[\u05d0-\u05ea]"), "el": re.compile("[\u0370-\u03ff]"), "ka": re.compile("[\u10a0-\u10ff]"),
}  # fmt: skip
_PERSIAN = re.compile("[پژچگیک]")
_URDU = re.compile("[ٹڈڑےں]")
_UKRAINIAN = re.compile("[іїєґІЇЄҐ]")
_VIETNAMESE = re.compile("[ăđơưạảấầẩẫậắằẳẵặẹẻẽếềểễệịọỏốồổỗộớờởỡợụủứừửữựỳỵỷỹ]", re.IGNORECASE)
_SIMPLIFIED = re.compile("[国们这为对发与进业华实产会经关电开东时过来说长门问间军车东乐习书买卖务动劳势单压厂严体余个机权来条极构标样检欧]")
_TRADITIONAL = re.compile("[國們這為對發與進業華實產會經關電開東時過來說長門問間軍車樂習書買賣務動勞勢單壓廠嚴體餘個機權條極構標樣檢歐]")

_LATIN_LANGUAGES = (
    "en", "de", "fr", "es", "nl", "it", "pt", "tr", "vi", "id", "pl",
    "cs", "da", "fi", "hu", "ms", "no", "ro", "sv", "sw",
)  # fmt: skip
"""What the model may answer: the languages of the lexicon, and neighbours that would else be taken for them."""


def guess(text: str, hint: str | None = None) -> LanguageGuess:
    """The language of `text`, as the source wrote it. `hint` is what the source says, and believed where the letters allow it."""
    sample = text[:_SAMPLE]
    return _by_letters(sample, hint) or _of_latin(sample, hint)


def _by_letters(sample: str, hint: str | None) -> LanguageGuess | None:
    latin, han = len(_LATIN.findall(sample)), len(_HAN.findall(sample))
    kana, hangul = len(_KANA.findall(sample)), len(_HANGUL.findall(sample))
    wide = han + kana + hangul
    if wide * 4 > latin:  # one ideograph weighs as much as a Latin word
        return _east_asian(sample, han, kana, hangul, hint) if wide else None
    arabic, cyrillic = len(_ARABIC.findall(sample)), len(_CYRILLIC.findall(sample))
    if arabic > latin:
        return _arabic_script(sample, hint)
    if cyrillic > latin:
        return _cyrillic_script(sample, hint)
    return next((LanguageGuess(tag=tag, confidence=0.9) for tag, letters in _OTHERS.items() if len(letters.findall(sample)) > latin), None)


def _east_asian(sample: str, han: int, kana: int, hangul: int, hint: str | None) -> LanguageGuess:
    if hangul * 3 > han + kana:
        return LanguageGuess(tag="ko", confidence=0.99)
    if kana * 12 > han:
        return LanguageGuess(tag="ja", confidence=0.99)
    simplified, traditional = len(_SIMPLIFIED.findall(sample)), len(_TRADITIONAL.findall(sample))
    if simplified == traditional:
        tag = hint if hint in ("zh-Hans", "zh-Hant", "ja") else "zh-Hans"
        return LanguageGuess(tag=tag, confidence=0.6)
    return LanguageGuess(tag="zh-Hans" if simplified > traditional else "zh-Hant", confidence=0.97)


def _arabic_script(sample: str, hint: str | None) -> LanguageGuess:
    if _URDU.search(sample):
        return LanguageGuess(tag="ur", confidence=0.95)
    if len(_PERSIAN.findall(sample)) * 20 > len(_ARABIC.findall(sample)):  # Arabic feeds write a Persian letter in a foreign name now and then
        return LanguageGuess(tag="fa", confidence=0.95)
    return LanguageGuess(tag=hint if hint in ("fa", "ckb") else "ar", confidence=0.95)


def _cyrillic_script(sample: str, hint: str | None) -> LanguageGuess:
    if _UKRAINIAN.search(sample):
        return LanguageGuess(tag="uk", confidence=0.95)
    return LanguageGuess(tag=hint if hint in ("bg", "sr", "mk", "kk", "be") else "ru", confidence=0.9)


def _of_latin(sample: str, hint: str | None) -> LanguageGuess:
    if not _LATIN.search(sample):
        return UNKNOWN
    if len(_VIETNAMESE.findall(sample)) * 25 > len(sample):
        return LanguageGuess(tag="vi", confidence=0.97)
    primary = (hint or "").split("-")[0]
    if primary in _LATIN_LANGUAGES:
        return LanguageGuess(tag=primary, confidence=0.9)
    tag, confidence = _model().classify(sample)
    return LanguageGuess(tag=tag, confidence=round(float(confidence), 2))


class _Identifier(Protocol):
    def classify(self, text: str) -> tuple[str, float]: ...


@cache
def _model() -> _Identifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier  # half a second and numpy: only where a text needs it

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(list(_LATIN_LANGUAGES))
    return cast("_Identifier", identifier)
