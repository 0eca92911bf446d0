"""Image files of every kind that people have, and the one meaning that each has here."""

import io

import numpy as np
import pytest
import torch
from PIL import Image

from cnnbook import data
from cnnbook.data.decode import fit_to, read_rgb

RAMP = np.arange(64, dtype=np.uint8).reshape(8, 8) * 4  # 0, 4, … 252
BIG_ENDIAN = (RAMP.astype(np.uint16) * 256).astype(">u2").tobytes()
MAXIMUM, PHOTOMETRIC = 281, 262


def read(image, format="PNG", **options):
    """The image, saved and read again, as int 3 × 8 × 8."""
    file = io.BytesIO()
    image.save(file, format, **options)
    file.seek(0)
    return read_rgb(file, fit_to(8)).int()


def grey(array):
    return torch.tensor(array.astype(np.int64)).expand(3, 8, 8).int()


@pytest.mark.parametrize("format", ["PNG", "TIFF"])
@pytest.mark.parametrize("factor", [256, 257])
def test_grey_of_16_bits_keeps_its_upper_eight(format, factor):
    image = Image.fromarray(RAMP.astype(np.uint16) * factor)
    assert image.mode == "I;16"
    assert torch.equal(read(image, format), grey(RAMP))


def test_big_endian_tiff():
    image = Image.frombytes("I;16B", (8, 8), BIG_ENDIAN)
    assert torch.equal(read(image, "TIFF"), grey(RAMP))


def test_a_tiff_of_12_bits_says_so():
    image = Image.fromarray(RAMP.astype(np.uint16) * 16)
    assert torch.equal(read(image, "TIFF", tiffinfo={MAXIMUM: 4095}), grey(RAMP))


def test_a_tiff_that_does_not_know_its_maximum():
    image = Image.fromarray(RAMP.astype(np.uint16) * 256)
    assert torch.equal(read(image, "TIFF", tiffinfo={MAXIMUM: 0}), grey(RAMP))


def test_a_tiff_whose_zero_is_white():
    image = Image.fromarray(RAMP.astype(np.uint16) * 256)
    assert torch.equal(read(image, "TIFF", tiffinfo={PHOTOMETRIC: 0}), grey(255 - RAMP))


def test_grey_of_16_bits_as_pgm():
    file = io.BytesIO(b"P5 8 8 65535\n" + BIG_ENDIAN)
    assert torch.equal(read_rgb(file, fit_to(8)).int(), grey(RAMP))


@pytest.mark.parametrize(
    ("array", "kind"),
    [(RAMP.astype(np.float32), "float"), (RAMP.astype(np.int32), "signed or 32-bit")],
)
def test_values_without_a_range_are_an_error(array, kind):
    with pytest.raises(ValueError, match=f"its values are {kind}, without a known range"):
        read(Image.fromarray(array), "TIFF")


def test_a_float_image_in_a_folder_is_named(tmp_path):
    for part in ("train", "test"):
        (tmp_path / part / "a").mkdir(parents=True)
        path = tmp_path / part / "a" / "hdr.tif"
        Image.fromarray(RAMP.astype(np.float32)).save(path)
    for stream in (False, True):
        with pytest.raises(data.DataError) as error:
            train, _ = data.load(f"imagefolder:{tmp_path}", progress=False, stream=stream)
            train.take(torch.tensor([0]))
        assert str(error.value).startswith(
            f"{tmp_path / 'train' / 'a' / 'hdr.tif'} cannot be read as an image (its values are fl"
        )


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_shows_white(mode):
    image = Image.new("RGBA", (8, 8), (9, 9, 9, 255))
    image.paste((200, 0, 0, 0), (0, 0, 4, 8))  # transparent, whatever its colour
    options = {}
    if mode == "P":
        image = Image.new("P", (8, 8), 1)
        image.putpalette([200, 0, 0, 9, 9, 9])
        image.paste(0, (0, 0, 4, 8))
        options = {"transparency": 0}
    found = read(image if mode == "P" else image.convert(mode), **options)
    assert (found[:, :, :4] == 255).all() and (found[:, :, 4:] == 9).all()


def test_half_transparent_is_half_white():
    found = read(Image.new("RGBA", (8, 8), (0, 0, 0, 128)))
    assert (found == 127).all()


def test_a_grey_or_a_colour_that_stands_for_transparent():
    assert (read(Image.new("L", (8, 8), 7), transparency=7) == 255).all()
    assert (read(Image.new("RGB", (8, 8), (7, 8, 9)), transparency=(7, 8, 9)) == 255).all()


def test_cmyk():
    found = read(Image.new("CMYK", (8, 8), (0, 255, 255, 0)), "TIFF")
    assert found[:, 0, 0].tolist() == [255, 0, 0]


# Where EXIF has the first row and the first column of what is stored: section 4.6.4.A.
@pytest.mark.parametrize(
    ("orientation", "stored"),
    [
        (1, lambda upright: upright),
        (2, np.fliplr),
        (3, lambda upright: np.rot90(upright, 2)),
        (4, np.flipud),
        (5, np.transpose),
        (6, lambda upright: np.rot90(upright, 1)),
        (7, lambda upright: np.rot90(upright, 2).T),
        (8, lambda upright: np.rot90(upright, -1)),
        (99, lambda upright: upright),
    ],
)
@pytest.mark.parametrize("bits", [8, 16])
def test_a_photograph_is_turned_upright(orientation, stored, bits):
    array = np.ascontiguousarray(stored(RAMP))
    image = Image.fromarray(array if bits == 8 else array.astype(np.uint16) * 256)
    exif = Image.Exif()
    exif[274] = orientation
    assert torch.equal(read(image, "PNG", exif=exif), grey(RAMP))


def test_damaged_exif_is_no_damaged_image():
    file = io.BytesIO()
    Image.fromarray(RAMP).save(file, "PNG", exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")
    file.seek(0)
    assert torch.equal(read_rgb(file, fit_to(8)).int(), grey(RAMP))


@pytest.mark.parametrize("format", ["GIF", "TIFF", "WEBP"])
def test_of_several_pictures_the_first(format):
    first, second = (Image.new("RGB", (8, 8), colour) for colour in ("white", "black"))
    found = read(first, format, save_all=True, append_images=[second])
    assert (found >= 250).all()
