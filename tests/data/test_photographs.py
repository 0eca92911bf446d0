"""The photographs that come with the package: what they are, and that they are whole."""

from __future__ import annotations

import re

import make_photographs
import pytest
import torch
from PIL import Image

from cnnbook import data
from cnnbook.data import photographs

SIZES = {
    "astronaut": (3, 512, 512),
    "chelsea": (3, 300, 451),
    "coffee": (3, 400, 600),
    "rocket": (3, 427, 640),
}


def test_names_and_sizes():
    assert data.photograph_names() == tuple(SIZES)
    for name, size in SIZES.items():
        picture = data.photograph(name)
        assert picture.shape == size and picture.dtype == torch.uint8 and picture.is_contiguous()


def test_they_are_the_pictures_that_they_are_called():
    astronaut, chelsea = data.photograph("astronaut"), data.photograph("chelsea")
    red, green, blue = astronaut[:, 380:500, 150:200].float().mean((1, 2))
    assert red > 1.5 * green > blue  # her suit is orange
    red, green, blue = chelsea[:, 150:250, 180:280].float().mean((1, 2))
    assert red > green > blue  # a red cat
    red, green, blue = data.photograph("rocket")[:, :100, :100].float().mean((1, 2))
    assert blue > red  # the sky before dawn


def test_each_call_gives_pixels_of_its_own():
    data.photograph("coffee").zero_()
    assert data.photograph("coffee").float().mean() > 50


@pytest.mark.parametrize("name", ["chelsae", "lena", "", 3, None])
def test_an_unknown_name_is_told_which_there_are(name):
    known = "there is astronaut, chelsea, coffee, rocket$"
    hint = "did you mean chelsea" if name == "chelsae" else known
    with pytest.raises(ValueError, match=hint):
        data.photograph(name)


def test_together_they_are_small_and_each_has_its_licence():
    files = {path.name: path.stat().st_size for path in photographs.FOLDER.glob("*.jpg")}
    assert set(files) == {f"{name}.jpg" for name in SIZES} and sum(files.values()) <= 300_000
    licence = (photographs.FOLDER / "LICENSE.txt").read_text(encoding="utf-8")
    for name, (_, height, width) in SIZES.items():
        (entry,) = re.findall(rf"^{name}\.jpg  .*(?:\n   +.*)*", licence, re.M)
        assert f"{width} × {height}" in entry
        assert re.search(r"CC0|public\s+domain", entry)


@pytest.mark.parametrize("damage", ["cut", "gone"])
def test_a_damaged_or_missing_file_is_named(tmp_path, monkeypatch, damage):
    if damage == "cut":
        whole = (photographs.FOLDER / "rocket.jpg").read_bytes()
        (tmp_path / "rocket.jpg").write_bytes(whole[:-100])
    monkeypatch.setattr(photographs, "FOLDER", tmp_path)
    with pytest.raises(data.DataError, match=r"rocket\.jpg (is damaged|cannot be read)"):
        data.photograph("rocket")


def test_the_script_encodes_the_pictures_it_is_given(tmp_path):
    source, target = tmp_path / "source", tmp_path / "target"
    source.mkdir()
    target.mkdir()
    for name in make_photographs.SOURCES:
        Image.new("RGB", (20, 10), (200, 100, 50)).save(source / name)
    assert make_photographs.main([str(source), "--output", str(target)]) == 0
    for name in SIZES:
        with Image.open(target / f"{name}.jpg") as picture:
            assert picture.size == (20, 10) and picture.format == "JPEG"
            assert (
                max(
                    abs(a - b)
                    for a, b in zip(picture.getpixel((5, 5)), (200, 100, 50), strict=True)
                )
                < 4
            )
    assert make_photographs.main([str(target), "--output", str(target)]) == 2
