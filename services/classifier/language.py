"""Which language an item is in: by its letters, then by its small words and what its source says.

A language model would be surer on a bare headline, and costs 90 MB and a second at start; here a doubtful guess costs nothing, since it blocks nothing.
The guess decides how false friends among languages of one script are read, never whether terms of another script count.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from schemas.events.signal import LanguageGuess

UNKNOWN = LanguageGuess(tag="und", confidence=0.0)
SURE = 0.7
"""Below this confidence in the language, terms of all languages of the script count."""
_SAMPLE = 600
"""Characters that are enough to tell."""
_CLEAR = 3
"""So many votes ahead, the words of a text outweigh what its source says."""
_CONFIDENCE = (0.4, 0.75, 0.85, 0.95, 0.98)
"""By how many votes the first language is ahead of the second."""

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

_WORDS = {
    "en": "a the of and to in for on with as at by from is are was be has have will that its it after over into new says said us not than this their which an "
    "could would may amid against more how what who",
    "de": "der die das und in den von zu mit auf für im dem nicht ein eine einen des sich auch nach bei aus wird werden ist sind hat haben über zur zum vor "
    "gegen will sollen soll als um wie noch einer wegen",
    "fr": "le la les de des du et en à au aux un une pour dans sur par est sont que qui ne pas plus avec ce cette ses son après selon être été vers contre "
    "sans leur d l qu",
    "es": "el la los las de del y en a al un una por para con que se es su sus no más como tras sobre este esta ha han fue son sin desde entre hasta según "
    "lo contra",
    "nl": "de het een van en in op te voor met dat is zijn aan door naar niet uit om bij als wordt worden ook over heeft hebben meer tegen na nog deze wil "
    "kan of tot",
    "it": "il lo la i gli le di del della dei delle e in a al alla ai un una per con che si è sono non più da dal dalla nel nella sul sulla dopo come ha hanno "
    "contro anche verso",
    "pt": "o a os as de do da dos das e em no na nos nas ao aos um uma para por com que se é são não mais como após sobre seu sua foi pelo pela à às contra "
    "ou entre",
    "tr": "ve bir bu için ile de da çok daha olarak olan gibi kadar sonra göre ise ne en mi ilk yeni var yok karşı dan den nın nin dedi oldu etti",
    "vi": "và của là các cho có được trong với không một những người đã sẽ từ về này khi để theo trên tại sau vào ra bị đến nhiều hơn sang",
    "id": "yang dan di ke dari untuk dengan pada ini itu akan tidak dalam adalah oleh juga lebih sebagai telah karena atas soal usai kepada para bisa dapat "
    "menjadi terhadap",
    "pl": "w i na z do się nie że to jest o od po za dla przez jak oraz ale są ma być przed przy czy już także ze dla które który tym",
    "cs": "na se je že ve pro po jsou jako od ale za při podle který které také není už",
    "da": "og i at er en til på det af den for med der som har ikke fra et vil efter ved også om de",
    "no": "og i er en til på det av den for med som har ikke fra et vil etter ved også om de å",
    "sv": "och i att är en till på det av den för med som har inte från ett vill efter vid också om de",
    "fi": "ja on ei että se myös oli kun mutta sekä ovat mukaan vuoden jälkeen ole sen",
    "hu": "a az és hogy nem egy is van meg ez volt már csak el után szerint lesz magyar",
    "ro": "și de în la a cu pe pentru din nu că este care un o mai sau după să au fost",
    "sw": "na ya wa kwa ni katika za la kuwa hii cha baada yake huo hiyo kutoka",
}  # fmt: skip
"""Small words that give a language away. A headline of eight words has two of them, a lead ten."""

_SPOKEN_IN: Mapping[str, tuple[str, ...]] = {
    word: tuple(language for language, words in _WORDS.items() if word in words.split()) for word in " ".join(_WORDS.values()).split()
}
_TOKEN = re.compile(r"[^\W\d_]+")
_LETTERS = {
    "de": re.compile("[äöß]"), "fr": re.compile("[œêèù]"), "es": re.compile("[ñ¿¡]"), "pt": re.compile("[ãõ]"), "tr": re.compile("[ışğüç]"),
    "pl": re.compile("[łążźćńśę]"), "cs": re.compile("[ěřůč]"), "da": re.compile("[æø]"), "sv": re.compile("[åä]"), "ro": re.compile("[țșă]"), "hu": re.compile("[őű]"),
}  # fmt: skip
"""Letters that are at home in one of these languages; a word with one counts as a vote too."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """The language of an item, and of each of its fields: aggregators put headlines of one language over texts of another."""

    item: LanguageGuess
    title: LanguageGuess
    text: LanguageGuess


def of_item(title: str, text: str, hint: str | None) -> Spoken:
    """Guesses. A field that is not sure by itself is in the language of the item."""
    item = guess(f"{title} {text[:1000]}", hint)
    if not title or not text:
        return Spoken(item, item, item)
    fields = (guess(field, hint) for field in (title, text))
    return Spoken(item, *(found if found.confidence >= SURE else item for found in fields))


def limits(found: LanguageGuess) -> str | None:
    """The one language whose words count among those of its script; None where any may: below `SURE`, and for Latin words in a text of other letters."""
    return found.tag if found.confidence >= SURE and found.tag in _WORDS else None


def guess(text: str, hint: str | None = None) -> LanguageGuess:
    """The language of `text`, as the source wrote it. `hint` is what the source says, and believed where the letters allow it."""
    sample = text[:_SAMPLE]
    if sample.isascii():
        return _of_latin(sample, hint)
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
    """By votes of small words; what the source says decides where they are few or close."""
    if not _LATIN.search(sample):
        return UNKNOWN
    if len(_VIETNAMESE.findall(sample)) * 25 > len(sample):
        return LanguageGuess(tag="vi", confidence=0.97)
    votes = _votes(sample.lower())
    (first, most), (_, next_most) = [*votes.most_common(2), ("und", 0), ("und", 0)][:2]
    lead = most - next_most
    primary = (hint or "").split("-")[0]
    if primary in _WORDS and (lead < _CLEAR or first == primary):
        return LanguageGuess(tag=primary, confidence=0.9)
    if not most:
        return UNKNOWN
    return LanguageGuess(tag=first, confidence=_CONFIDENCE[min(lead, len(_CONFIDENCE) - 1)])


def _votes(lower: str) -> Counter[str]:
    votes = Counter(language for token in _TOKEN.findall(lower) for language in _SPOKEN_IN.get(token, ()))
    if not lower.isascii():
        for language, at_home in _LETTERS.items():
            votes[language] += min(3, len(at_home.findall(lower)))
    return votes
