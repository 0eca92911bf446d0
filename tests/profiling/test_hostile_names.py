"""Names are the network's owner's: wherever a profile is shown or written they stay text."""

from __future__ import annotations

import csv
import io
from html.parser import HTMLParser

import pytest
from torch import nn

from cnnbook import profile

SCRIPT = "<script>alert(1)</script>"


class Tags(HTMLParser):
    def __init__(self, text: str):
        super().__init__()
        self.tags, self.texts, self.titles = set(), [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.titles += [value for key, value in attrs if key == "title"]
        assert {key for key, _ in attrs} <= {"class", "title", "scope"}

    def handle_data(self, data):
        self.texts.append(data)


def named(name: str) -> nn.Module:
    model = nn.Sequential()
    model.add_module(name, nn.Conv2d(3, 4, 1))
    model.add_module("norm" + name, nn.BatchNorm2d(4))
    model.__class__ = type(name, (nn.Sequential,), {})
    return model


@pytest.mark.parametrize(
    "name", [SCRIPT, "a & b", 'x" onmouseover="alert(1)', "</table><img src=x>"]
)
def test_in_a_notebook(name):
    shown = Tags(profile(named(name), (3, 8, 8))._repr_html_())
    assert shown.tags == {"div", "table", "caption", "thead", "tbody", "tr", "th", "td"}
    text = "".join(shown.texts)
    assert text.count(name) == 1  # the caption
    assert shown.titles == [name]  # the row, whose text is in words
    assert "conv 1×1, 4" in shown.texts


@pytest.mark.parametrize("name", ["=cmd|' /C calc'!A0", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_in_a_spreadsheet(name, tmp_path):
    found = profile(named(name), (3, 8, 8))
    found.to_csv(tmp_path / "net.csv")
    with (tmp_path / "net.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert rows[1][0] == "'" + name.replace("\r", " ")  # a line's end ends no row
    assert list(csv.reader(io.StringIO(found.to_csv(), newline=""))) == rows
    assert found.to_dict()["layers"][0]["layer"] == name == found.table.index[0]
    for cell in (cell for row in rows for cell in row):
        assert not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


def test_a_name_without_a_formula_stays():
    assert profile(named("conv=1"), (3, 8, 8)).to_csv().splitlines()[1].startswith("conv=1,")
