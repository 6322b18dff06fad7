from datetime import timedelta

from services.ingester.samples import demo_items, demo_lines
from tests.make import NOW


def test_the_sample_is_about_thirty_items_in_eleven_languages() -> None:
    items = demo_items(NOW)

    assert 30 == len(items) == len({item.id for item in items})
    assert {"ar", "de", "en", "es", "fr", "ja", "ko", "nl", "ru", "zh-Hans", "zh-Hant"} == {item.language for item in items}


def test_one_story_is_told_in_five_languages() -> None:
    assert {"ar", "de", "en", "ko", "zh-Hans"} == {item.language for item in demo_items(NOW) if (item.id or "").startswith("h20-shelved")}


def test_every_item_was_published_within_the_last_day() -> None:
    for item in demo_items(NOW):
        assert item.published is not None
        assert (NOW - timedelta(days=1)).isoformat() < item.published < NOW.isoformat()


def test_the_reversal_is_later_than_what_it_reverses() -> None:
    published = {item.id: item.published or "" for item in demo_items(NOW)}

    assert published["h20-licence-8k-en"] > max(published[key] for key in published if (key or "").startswith("h20-shelved"))


def test_the_file_holds_one_item_a_line() -> None:
    assert len(demo_lines(NOW).splitlines()) == 30
