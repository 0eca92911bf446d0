"""The page of the package: its signatures, its fields and the order of its names."""

from __future__ import annotations

import inspect
from dataclasses import dataclass, field

import api_page
import pytest

from cnnbook import models


@pytest.fixture(scope="module")
def page(html, parsed):
    return parsed(html / "chapters" / "api.html")


def test_numbers_in_names_are_sorted_as_numbers():
    names = ["plain110", "VGG", "plain20", "vgg13_5x5", "vgg13", "AlexNet2012", "AlexNet"]
    assert sorted(names, key=api_page.natural) == [
        "AlexNet", "AlexNet2012", "plain20", "plain110", "VGG", "vgg13", "vgg13_5x5",
    ]  # fmt: skip


def test_every_file_of_the_models_has_a_place():
    places = {name: api_page.place_of(getattr(models, name)) for name in models.__all__}
    assert places["create"] < places["AlexNet"] < places["resnet18"] < places["convnext_tiny"]


def test_a_default_that_python_would_not_spell_is_as_in_the_source():
    def one(a, block=len, *, rate=989e12, sizes=(2, 3), b):
        pass

    api_page.write_defaults(None, one, False)
    assert str(inspect.signature(one)) == "(a, block=len, *, rate=989e12, sizes=(2, 3), b)"


def test_a_factory_is_what_it_makes():
    @dataclass
    class One:
        options: dict = field(default_factory=dict)
        names: list = field(default_factory=list)

    told = api_page.write_factories(
        None, "class", "", One, None, "(options: dict = <factory>, names: list = <factory>)", None
    )
    assert told == ("(options: dict = {}, names: list = [])", None)


def test_primes_are_set_outside_of_code():
    lines = ["C'·(C/groups), the GPUs' and torch's", "`C'` and ``H' W'``, then W'"]
    assert api_page.primes(lines) == [
        "C′·(C/groups), the GPUs' and torch's", "`C'` and ``H' W'``, then W′",
    ]  # fmt: skip


def test_signatures_and_fields_hold_nothing_of_pythons_own(page):
    signatures = [entry.get_text() for entry in page.select("dt.sig")]
    assert len(signatures) > 200
    assert [text for text in signatures if "<" in text or "~" in text or "00000" in text] == []
    assert "Alias for field number" not in page.get_text()
    assert not page.select(".field-list:-soup-contains('Type:')")  # a colon in a first line


def test_what_has_one_description_is_in_one_line(page):
    heads = [strong.get_text() for strong in page.select(".field-list li > p > strong")]
    assert "architecture, options" in heads and "mean, std" in heads and "one, other" in heads
    assert not [head for head in heads if head.endswith(",")]


def test_the_networks_are_in_the_order_of_the_chapters(page):
    names = [entry["id"].rpartition(".")[2] for entry in page.select("dt[id^='cnnbook.models.']")]
    plain = [name for name in names if name.startswith("plain")]
    assert plain == ["plain18", "plain34", "plain20", "plain32", "plain44", "plain56", "plain110"]
    first = ["create", "alexnet", "zfnet", "vgg11", "googlenet", "resnet18", "resnext"]
    assert sorted(first, key=names.index) == first
