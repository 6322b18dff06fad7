from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from schemas.config.lexicon import Concept, Country, Gate, Instrument, LexiconFile, Product
from services.classifier.document import Document, evidence, read
from services.classifier.entries import merge
from services.classifier.rules import Ruleset, run_samples
from services.classifier.terms import MOST_CHARACTERS, MOST_HITS, Terms
from tests import make


def small(**concepts: Concept) -> Terms:
    return Terms.build(LexiconFile(concepts=concepts))


def ban(*words: str, language: str = "en", **more: dict[str, tuple[str, ...]]) -> Terms:
    return small(ban=Concept(kind="obj_restriction", terms={language: words}, **more))


def found(terms: Terms, text: str, title: str | None = None, language: str | None = None) -> Document:
    return read(make.news_item(text=text, title=title, language=language), terms)


def words(terms: Terms, text: str, language: str | None = None) -> list[str]:
    document = found(terms, text, language=language)
    return [evidence(document, hit.concept, hit.field, hit.start, hit.end).text for hit in document.hits]


def test_every_sample_of_the_lexicon_is_read_as_its_author_says(ruleset: Ruleset) -> None:
    assert list(run_samples(ruleset)) == []


@pytest.mark.parametrize(
    ("term", "language", "text", "seen"),
    [
        ("export control*", "en", "New export-controls bite", ["export-controls"]),
        ("ban", "en", "The bank banned it, a ban", ["ban"]),
        ("restrict*", "en", "Restricting and unrestricted", ["Restricting"]),
        ("*export*", "de", "Die Chipexportverbote und der Vorposten", ["Chipexportverbote"]),
        ("setzt * aus", "de", "Das Amt setzt die Lizenz für Anlagen aus", ["setzt die Lizenz für Anlagen aus"]),
        ("setzt * aus", "de", "Das Amt setzt auf Dialog. Der Minister ging aus dem Saal", []),
        ("экспортн* контрол*", "ru", "об экспортном контроле США", ["экспортном контроле"]),
        ("출구", "ko", "출구는", ["출구"]),
        ("수출통제", "ko", "미국이 수출 통제를", ["수출 통제"]),
        ("출국", "ko", "수출국", []),
        ("出口管制", "zh-Hans", "美国出口管制升级", ["出口管制"]),
        ("GPU", "any", "这款GPU芯片", ["GPU"]),
        ("H20", "any", "NVIDIA-H20, H20E and Ｈ２０!", ["H20", "Ｈ２０"]),
        ("حظر", "ar", "وبالحظر والحظر ومحظور", ["حظر", "حظر"]),
        ("الصين", "ar", "للصين وبالصين والصينيين", ["صين", "صين"]),
        ("قيود على تصدير", "ar", "القيود على التصدير", ["قيود على التصدير"]),
        ("exportación", "es", "la exportacion de chips", ["exportacion"]),
        ("Beschränkung*", "de", "Beschraenkungen für Chips", ["Beschraenkungen"]),
        ("निर्यात", "hi", "निर्यात पर रोक", ["निर्यात"]),
    ],
)
def test_a_term_is_found_as_its_script_writes_words(term: str, language: str, text: str, seen: list[str]) -> None:
    assert words(ban(term, language=language), text, language) == [*seen]


def test_capitals_count_where_the_term_says_so() -> None:
    terms = Terms.build(LexiconFile(countries={"US": Country(terms={"en": ("=US",)})}))

    assert words(terms, "The US told us") == ["US"]


def test_a_name_may_carry_the_bare_genitive() -> None:
    terms = Terms.build(LexiconFile(countries={"CN": Country(terms={"any": ("China",)})}))

    assert words(terms, "Chinas Handelsministerium und die Chinasucht") == ["China"]


def test_a_phrase_that_means_something_else_takes_the_term_away() -> None:
    terms = ban("chips", exclude={"en": ("poker chips",)})

    assert words(terms, "He bought poker chips and chips") == ["chips"]


def test_a_shorter_name_inside_a_longer_one_is_not_meant(terms: Terms) -> None:
    document = found(terms, "美国商务部称，美光与中芯国际受影响")

    assert {hit.concept for hit in document.hits if hit.kind in ("agency", "company")} == {"DOC", "Micron", "SMIC"}
    assert {hit.concept for hit in document.hits if hit.kind == "country"} == {"US"}


def test_headline_signs_name_countries_in_headlines_only(terms: Terms) -> None:
    document = found(terms, "其中美味佳肴，日本料理。英伟达", title="美拟放宽对华芯片出口限制")

    assert {(hit.concept, hit.field) for hit in document.hits if hit.kind == "country"} == {("US", "title"), ("CN", "title"), ("JP", "text")}


def test_a_word_of_a_neighbour_language_is_no_term_here() -> None:
    terms = small(may=Concept(kind="hedge", terms={"en": ("may",)}), wil=Concept(kind="hedge", terms={"nl": ("wil",)}))

    assert words(terms, "Le gouvernement et la mairie, en may, de wil", "fr") == []


def test_a_wrong_guess_blocks_no_term_of_another_script(terms: Terms) -> None:
    document = found(terms, "Report in English with a quote: 商务部暂停出口管制, and more English words around it", language="en")

    assert "export_control" in {hit.concept for hit in document.hits}


def test_a_weak_term_needs_a_firm_one_in_its_sentence(terms: Terms) -> None:
    alone, beside = found(terms, "Chips for everyone at the fair. Nvidia came."), found(terms, "Nvidia chips for everyone at the fair.")

    assert "chip" not in {hit.concept for hit in alone.hits}
    assert "chip" in {hit.concept for hit in beside.hits}


def test_an_ambiguous_product_needs_a_chip_beside_it() -> None:
    subject = Concept(kind="subject", terms={"en": ("processor*",)})
    terms = Terms.build(LexiconFile(concepts={"chip": subject}, products={"A100": Product(ambiguous=True, terms={"any": ("A100",)})}))

    assert words(terms, "A crash closed the A100 near Berlin") == []
    assert words(terms, "The A100 is a processor") == ["A100", "processor"]


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("as published at 91 FR 1684 on Friday", "91 FR 1684"),
        ("under 15 CFR § 744.23 and", "15 CFR 744.23"),
        ("商务部公告2024年第46号", "MOFCOM 46/2024"),
        ("MOFCOM Announcement No. 18 of 2025", "MOFCOM 18/2025"),
        ("Stcrt. 2023, nr. 18212", "Stcrt 2023, 18212"),
        ("ECCN 3A090.a applies", "ECCN 3A090.A"),
        ("RIN 0694-AJ90", "RIN 0694-AJ90"),
        ("H.R. 8170 passed", "H.R. 8170"),
        ("Executive Order 14105", "EO 14105"),
        ("改正する貨物等省令", "貨物等省令"),
    ],
)
def test_legal_ids_are_found_and_normalised(terms: Terms, text: str, name: str) -> None:
    assert [hit.concept for hit in found(terms, text).hits if hit.kind == "instrument"] == [name]


def test_hits_are_sorted_by_sentence_and_place(terms: Terms) -> None:
    hits = found(terms, "Nvidia sells chips. The US bans exports of GPUs to China. AMD follows.", title="China curbs gallium exports").hits

    assert list(hits) == sorted(hits, key=lambda hit: (hit.sentence, hit.start))
    assert {hit.field for hit in hits if hit.sentence == 0} == {"title"}
    assert {hit.sentence for hit in hits if hit.concept == "AMD"} == {3}


def test_the_gate_wants_something_of_every_group() -> None:
    concepts = {"chip": Concept(kind="subject", terms={"en": ("chip*",)}), "ban": Concept(kind="obj_restriction", terms={"en": ("ban",)})}
    terms = Terms.build(LexiconFile(concepts=concepts, gate=Gate(groups=(("subject",), ("ban",)))))

    def passes(text: str) -> bool:
        return terms.passes(terms.look(make.news_item(title=None, text=text)))

    assert passes("A ban on chips")
    assert not passes("A bank of chips")


def test_every_topic_has_a_gate_of_its_own_and_one_is_enough() -> None:
    files = [LexiconFile(concepts={topic: Concept(kind="subject", terms={"en": (topic,)})}, gate=Gate(groups=((topic,),))) for topic in ("chip", "drone")]
    terms = Terms.build(merge(files))

    assert [terms.passes(terms.look(make.news_item(title=None, text=text))) for text in ("a chip", "a drone", "a horse")] == [True, True, False]


def as_test_a_text_made_of_matches_the_beginning_is_read(terms: Terms) -> None:
    document = read(make.news_item(title="H20 " * 50_000, text="US bans Nvidia H20 出口管制 中国商务部 " * 50_000), terms)

    assert len(document.hits) == MOST_HITS
    assert len(document.text.source) == MOST_CHARACTERS


def test_an_id_in_two_files_is_refused() -> None:
    file = LexiconFile(concepts={"chip": Concept(kind="subject", terms={"en": ("chip",)})})

    with pytest.raises(ValueError, match="concepts: chip stands in two files"):
        merge([file, file])


def test_an_id_stands_for_one_thing() -> None:
    file = LexiconFile(concepts={"CN": Concept(kind="subject", terms={"en": ("chip",)})}, countries={"CN": Country(terms={"en": ("China",)})})

    with pytest.raises(ValueError, match="CN stands for two things"):
        merge([file])


@pytest.mark.parametrize("term", ["*", "* aan", "=", "\u0640"])
def test_a_term_that_starts_with_no_letters_is_refused(term: str) -> None:
    with pytest.raises(ValueError, match="does not start with letters"):
        ban(term)


@pytest.mark.parametrize(("pattern", "shape"), [("(a", "{0}"), ("a", "{1}"), ("(a)", "{1"), ("(a)", "{b}")])
def test_an_instrument_that_cannot_work_is_refused(pattern: str, shape: str) -> None:
    with pytest.raises(ValueError, match="instrument law"):
        Terms.build(LexiconFile(instruments={"law": Instrument(literals=("a",), pattern=pattern, id=shape)}))


def test_persons_speak_for_somebody_known(lexicon: LexiconFile) -> None:
    assert {person.of for person in lexicon.persons.values()} <= lexicon.companies.keys() | lexicon.agencies.keys() | lexicon.countries.keys()
    assert {agency.country for agency in lexicon.agencies.values()} <= lexicon.countries.keys()


_TEXT = st.text(st.sampled_from("ab cChip chips出口管制수출 통제的 حظر والصين.!?\n<b>&amp;é\u200bＨ２０"), max_size=60)


@given(title=st.none() | _TEXT, text=_TEXT)
def test_every_hit_slices_its_field(terms: Terms, title: str | None, text: str) -> None:
    document = read(make.news_item(title=title, text=text), terms)

    for hit in document.hits:
        quoted = evidence(document, "x", hit.field, hit.start, hit.end)
        source = (title or "") if hit.field == "title" else text

        assert quoted.text == source[quoted.start : quoted.end]
        assert quoted.text
