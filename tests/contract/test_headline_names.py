"""Whatever the classifier may find has a name in every language that headlines are written in."""

from __future__ import annotations

import pytest

from schemas.config.template import Template
from services.classifier.rules import read_lexicon
from services.classifier.tables import read_tables
from services.notifier.wording import load_templates
from services.runtime.config_files import ConfigDir

SHIPPED = ConfigDir()
TEMPLATES = load_templates(SHIPPED)
LEXICON = read_lexicon(SHIPPED)
PRODUCTS = read_tables(SHIPPED).products

each_language = pytest.mark.parametrize("words", TEMPLATES.values(), ids=TEMPLATES.keys())


@each_language
def test_every_product_and_group_has_a_name(words: Template) -> None:
    found = {*LEXICON.products, *PRODUCTS.groups.values(), *PRODUCTS.makers.values(), *PRODUCTS.general}
    made = {product for products in words.makers.values() for product in products}

    assert sorted(found - words.products.keys() - made) == []


@each_language
def test_every_state_has_a_name(words: Template) -> None:
    assert sorted(LEXICON.countries.keys() - words.countries.keys()) == []


@each_language
def test_every_body_of_a_state_has_a_name(words: Template) -> None:
    assert sorted(LEXICON.agencies.keys() - words.agencies.keys()) == []


@each_language
def test_every_maker_that_a_product_is_called_after_makes_it(words: Template) -> None:
    made = {product: maker for maker, products in words.makers.items() for product in products}

    assert {key: product.maker for key, product in LEXICON.products.items() if key in made} == {key: made[key] for key in LEXICON.products if key in made}
